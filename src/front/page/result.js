// Shows what came back: texts, pictures, sounds, resources, structured content. Whatever it holds is shown as it is and
// never run.

import { copyButton, el, outside } from './dom.js';

const pretty = (value) => JSON.stringify(value, null, 2);

/** The result of a tool. */
export function toolResult(result) {
  const structured = result.structuredContent;
  // Tools say structured content once more as text, for clients that read nothing else.
  const isTwice = ({ type, text: words }) => structured !== undefined && type === 'text' && isSame(words, structured);
  const parts = (result.content ?? []).filter((part) => !isTwice(part)).map(content);
  return [
    result.isError && el('p', { class: 'notice bad' }, el('strong', {}, 'The tool says that it failed.')),
    parts,
    parts.length === 0 && structured === undefined && el('p', { class: 'hint' }, 'It worked and gave nothing back.'),
    structured !== undefined && block('Structured content', pretty(structured)),
    whole(result),
  ];
}

function isSame(words, structured) {
  try {
    return JSON.stringify(JSON.parse(words)) === JSON.stringify(structured);
  } catch {
    return false;
  }
}

/** The messages of a prompt. */
export function promptResult(result) {
  return [
    result.description && el('p', {}, result.description),
    (result.messages ?? []).map((message) =>
      el('div', { class: 'message' }, el('span', { class: 'tag' }, message.role), content(message.content ?? {}))),
    whole(result),
  ];
}

/** What stands in a resource. */
export function resourceResult(result) {
  return [(result.contents ?? []).map(resource), whole(result)];
}

function whole(result) {
  return el('details', {}, el('summary', {}, 'As it came (JSON)'), block('', pretty(result)));
}

/** A text with a button to copy it. */
export function block(words, text) {
  return el('div', { class: 'code' }, words && el('p', { class: 'code-words' }, words),
    el('pre', { tabIndex: 0 }, el('code', {}, text)), copyButton(text, words ? `Copy: ${words}` : 'Copy the text'));
}

/** One part of what came. */
export function content(part) {
  switch (part.type) {
    case 'text':
      return text(part.text ?? '');
    case 'image':
      return media('img', part.data, part.mimeType, /^image\//, { alt: 'The picture that the tool gave back' });
    case 'audio':
      return media('audio', part.data, part.mimeType, /^audio\//, { controls: true });
    case 'resource':
      return resource(part.resource ?? {});
    case 'resource_link':
      return el('p', {}, 'A resource: ', outside(part.uri, part.title ?? part.name ?? part.uri), ' ', el('code', {}, part.uri));
    default:
      return block(`Something of the type ${part.type}`, pretty(part));
  }
}

function text(words) {
  const trimmed = words.trim();
  if (/^[[{]/.test(trimmed)) {
    try {
      return block('', pretty(JSON.parse(trimmed)));
    } catch {
      // It only looks like JSON.
    }
  }
  return el('div', { class: 'text' }, el('pre', { tabIndex: 0, class: 'prose' }, words), copyButton(words, 'Copy the text'));
}

function resource(of) {
  const about = el('p', { class: 'hint' }, el('code', {}, of.uri ?? ''), of.mimeType && ` ${of.mimeType}`);
  if (of.text !== undefined) return el('div', {}, about, text(of.text));
  if (/^image\//.test(of.mimeType ?? '')) {
    return el('div', {}, about, media('img', of.blob, of.mimeType, /^image\//, { alt: of.uri ?? 'A picture' }));
  }
  return el('div', {}, about, el('p', {}, `${Math.floor(((of.blob ?? '').length * 3) / 4)} bytes that are no text.`));
}

function media(tag, base64, type, allowed, members) {
  if (!allowed.test(type ?? '') || !/^[A-Za-z0-9+/=\s]*$/.test(base64 ?? '')) {
    return el('p', { class: 'notice' }, `Something came that says it is ${type ?? 'of no type'}; it cannot be shown.`);
  }
  return el(tag, { ...members, class: 'media', src: `data:${type};base64,${base64}` });
}
