// A form made from a JSON schema: what people can fill in, each with its own kind of field; JSON for the rest.

import { el, fill, newId } from './dom.js';

/** Objects within objects that get fields of their own; deeper ones are written as JSON. */
const DEPTH_MAX = 6;

/** Fields that a form shows by itself, and values of one choice: a schema may refer to itself, and is a server's word. */
const FIELDS_MAX = 300;

/** What somebody filled in cannot be sent. */
export class Unfit extends Error {
  constructor(words, input) {
    super(words);
    this.input = input;
  }
}

/** A form for the members of an object. `read()` gives the object, or throws [`Unfit`]. */
export function schemaForm(schema) {
  const root = schema ?? {};
  const form = members(root, { root, left: FIELDS_MAX }, 0);
  if (form.fields.size === 0 && root.additionalProperties === false) {
    fill(form.element, el('p', { class: 'hint' }, 'It takes nothing.'));
  }
  return form;
}

/** The same, with a switch to write the whole as JSON instead. */
export function switchableForm(schema) {
  const form = schemaForm(schema);
  const id = newId('json');
  const area = el('textarea', { id, rows: 8, spellcheck: false, class: 'mono', 'aria-describedby': `${id}-error` });
  const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  const raw = el('div', { class: 'field', hidden: true }, el('label', { htmlFor: id }, 'Arguments as JSON'), area, error);
  // Where there is nothing but JSON to write, there is nothing to switch to.
  if (form.fields.size === 0 || form.fields.has('')) return form;
  const toggle = el('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false' }, 'Write JSON instead');
  let isRaw = false;
  toggle.addEventListener('click', () => {
    isRaw = !isRaw;
    if (isRaw) area.value = JSON.stringify(form.glance(), null, 2);
    raw.hidden = !isRaw;
    form.element.hidden = isRaw;
    toggle.textContent = isRaw ? 'Use the form' : 'Write JSON instead';
    toggle.setAttribute('aria-pressed', String(isRaw));
  });
  const read = () => {
    if (!isRaw) return form.read();
    fill(error);
    try {
      const value = JSON.parse(area.value || '{}');
      if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('it has to be an object in { }');
      return value;
    } catch (why) {
      fill(error, `This is no JSON object: ${why.message}.`);
      throw new Unfit('', area);
    }
  };
  return { element: el('div', { class: 'stack' }, form.element, raw, el('div', {}, toggle)), read };
}

/** The fields of an object. `form` has the whole schema, and for how many fields there is room. */
function members(schema, form, depth) {
  const required = new Set(schema.required ?? []);
  const fields = new Map();
  const fits = hasRoom(schema, form);
  for (const [name, property] of fits ? Object.entries(schema.properties ?? {}) : []) {
    form.left -= 1;
    fields.set(name, fieldFor(name, resolve(property, form.root), form, required.has(name), depth));
  }
  const extra = !fits || (schema.properties === undefined && schema.additionalProperties !== false)
    ? jsonField('', 'Arguments as JSON', {}, false,
      fits ? 'The schema does not say which. Leave it empty for none.' : 'There are too many for a form.')
    : null;
  if (extra) fields.set('', extra);
  const collect = (take) => {
    let value = {};
    for (const [name, field] of fields) {
      const part = take(field);
      if (part === undefined) continue;
      if (name === '') value = part;
      else Object.defineProperty(value, name, { value: part, enumerable: true, configurable: true, writable: true });
    }
    return value;
  };
  const element = el('div', { class: 'stack' }, [...fields.values()].map((field) => field.element));
  return { element, fields, read: () => collect((field) => field.read()), glance: () => collect(glance) };
}

/** Whether each member of an object can have a field. */
const hasRoom = (schema, form) => Object.keys(schema.properties ?? {}).length <= form.left;

/** What stands in a field, as far as it can be read. */
function glance(field) {
  try {
    return field.read();
  } catch {
    return undefined;
  }
}

/** Follows references within the schema, and takes `null` out of what may be that or something else. */
export function resolve(schema, root, hops = 0) {
  if (typeof schema !== 'object' || schema === null || hops > DEPTH_MAX) return {};
  if (typeof schema.$ref === 'string') {
    const { $ref, ...more } = schema;
    return { ...resolve(at(root, $ref), root, hops + 1), ...more };
  }
  const either = schema.anyOf ?? schema.oneOf;
  const some = either?.filter((it) => it?.type !== 'null');
  if (some?.length === 1) {
    const { anyOf, oneOf, ...more } = schema;
    return { ...resolve(some[0], root, hops + 1), ...more };
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null');
    return types.length === 1 ? { ...schema, type: types[0] } : { ...schema, type: undefined };
  }
  return schema;
}

function at(root, reference) {
  if (!reference.startsWith('#')) return {};
  const steps = reference.slice(1).split('/').slice(1);
  return steps.reduce((node, step) => node?.[decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')], root) ?? {};
}

function fieldFor(name, schema, form, required, depth) {
  const words = schema.title ?? name;
  const options = choices(schema);
  if (options) return choiceField(name, words, schema, required, options);
  if (schema.const !== undefined) return fixedField(name, words, schema);
  switch (schema.type) {
    case 'string':
      return textField(name, words, schema, required);
    case 'integer':
    case 'number':
      return numberField(name, words, schema, required);
    case 'boolean':
      return flagField(name, words, schema, required);
    case 'array':
      return depth < DEPTH_MAX && form.left > 0
        ? listField(name, words, schema, form, required, depth)
        : jsonField(name, words, schema, required);
    case 'object':
      return depth < DEPTH_MAX && schema.properties && hasRoom(schema, form)
        ? groupField(name, words, schema, form, required, depth)
        : jsonField(name, words, schema, required);
    default:
      return jsonField(name, words, schema, required);
  }
}

/** The values of a choice with their words. */
function choices(schema) {
  if (Array.isArray(schema.enum) && schema.enum.length <= FIELDS_MAX) {
    return schema.enum.map((value, place) => [value, schema.enumNames?.[place] ?? String(value)]);
  }
  const either = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(either) && either.length > 0 && either.length <= FIELDS_MAX && either.every((it) => it && 'const' in it)) {
    return either.map((it) => [it.const, it.title ?? String(it.const)]);
  }
  return null;
}

/** A labelled input with its hint and its error; `parse` makes a value of it or throws words. */
function labelled(name, words, schema, required, input, parse, hint) {
  const id = newId('argument');
  const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  input.id = id;
  input.dataset.argument = name;
  input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
  if (required) input.setAttribute('aria-required', 'true');
  const read = () => {
    fill(error);
    input.removeAttribute('aria-invalid');
    try {
      const value = parse(input);
      if (value === undefined && required) throw new Error('Fill this in: it is required.');
      return value;
    } catch (why) {
      fill(error, why.message);
      input.setAttribute('aria-invalid', 'true');
      throw why instanceof Unfit ? why : new Unfit(`${words}: ${why.message}`, input);
    }
  };
  const element = el('div', { class: 'field' },
    el('label', { htmlFor: id }, words, mark(required)), input,
    el('p', { class: 'hint', id: `${id}-hint` }, schema.description, hint && [' ', hint]), error);
  return { element, read };
}

const mark = (required) => el('span', { class: 'need' }, required ? ' required' : ' optional');

function textField(name, words, schema, required) {
  const types = { email: 'email', uri: 'url', date: 'date' };
  const long = (schema.maxLength ?? 0) > 200 || /text|body|content|message|code|query|prompt/i.test(name);
  const input = long && !schema.format
    ? el('textarea', { rows: 3 })
    : el('input', { type: types[schema.format] ?? 'text', autocomplete: 'off' });
  input.value = schema.default ?? '';
  if (schema.examples?.[0] !== undefined) input.placeholder = String(schema.examples[0]);
  const parse = ({ value }) => {
    if (value === '') return required && (schema.minLength ?? 0) === 0 && schema.default === '' ? '' : undefined;
    if (value.length < (schema.minLength ?? 0)) throw new Error(`Write at least ${schema.minLength} characters.`);
    if (schema.maxLength !== undefined && value.length > schema.maxLength) throw new Error(`Write at most ${schema.maxLength} characters.`);
    return value;
  };
  const format = schema.format && !types[schema.format] ? `Format: ${schema.format}.` : '';
  return labelled(name, words, schema, required, input, parse, format);
}

function numberField(name, words, schema, required) {
  const whole = schema.type === 'integer';
  const input = el('input', { type: 'text', inputMode: whole ? 'numeric' : 'decimal', autocomplete: 'off' });
  input.value = schema.default ?? '';
  const bounds = [schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`];
  const said = bounds.filter(Boolean).join(' ');
  const parse = ({ value }) => {
    const text = value.trim();
    if (text === '') return undefined;
    const number = Number(text);
    if (!Number.isFinite(number)) throw new Error('Write a number, such as 3.');
    if (whole && !Number.isInteger(number)) throw new Error('Write a whole number, such as 3.');
    if (number < (schema.minimum ?? -Infinity) || number > (schema.maximum ?? Infinity)) throw new Error(`Write a number ${said}.`);
    return number;
  };
  return labelled(name, words, schema, required, input, parse, said && `A number ${said}.`);
}

function flagField(name, words, schema, required) {
  const input = el('select', {},
    !required && schema.default === undefined && el('option', { value: '' }, 'Not given'),
    el('option', { value: 'false' }, 'No'), el('option', { value: 'true' }, 'Yes'));
  if (schema.default !== undefined) input.value = String(schema.default);
  return labelled(name, words, schema, required, input, ({ value }) => (value === '' ? undefined : value === 'true'));
}

function choiceField(name, words, schema, required, options) {
  const input = el('select', {},
    (!required || schema.default === undefined) && el('option', { value: '' }, required ? 'Choose one' : 'Not given'),
    options.map(([, label], place) => el('option', { value: String(place) }, label)));
  const preset = options.findIndex(([value]) => value === schema.default);
  if (preset >= 0) input.value = String(preset);
  return labelled(name, words, schema, required, input, ({ value }) => (value === '' ? undefined : options[Number(value)][0]));
}

function fixedField(name, words, schema) {
  const element = el('p', { class: 'hint' }, `${words} is always `, el('code', {}, JSON.stringify(schema.const)), '.');
  return { element, read: () => schema.const };
}

function jsonField(name, words, schema, required, hint = 'Write JSON.') {
  const input = el('textarea', { rows: 3, spellcheck: false, class: 'mono' });
  if (schema.default !== undefined) input.value = JSON.stringify(schema.default, null, 2);
  const parse = ({ value }) => {
    if (value.trim() === '') return undefined;
    try {
      return JSON.parse(value);
    } catch {
      throw new Error('This is no JSON. Texts stand in "quotes", lists in [ ], objects in { }.');
    }
  };
  return labelled(name, words, schema, required, input, parse, hint);
}

function groupField(name, words, schema, form, required, depth) {
  const inner = members(schema, form, depth + 1);
  const element = el('fieldset', { class: 'group' }, el('legend', {}, words, mark(required)),
    schema.description && el('p', { class: 'hint' }, schema.description), inner.element);
  const read = () => {
    // Nothing of it is filled in: what is required in it is required only with the rest.
    if (!required && Object.keys(inner.glance()).length === 0) return undefined;
    return inner.read();
  };
  return { element, read };
}

function listField(name, words, schema, form, required, depth) {
  const items = resolve(schema.items ?? {}, form.root);
  const options = choices(items);
  if (options) return manyField(name, words, schema, required, options);
  const rows = [];
  const list = el('div', { class: 'stack' });
  const add = el('button', { type: 'button', 'data-add': name }, `Add to ${words}`);
  const append = () => {
    form.left -= 1;
    const field = fieldFor(name, { ...items, title: `${items.title ?? words} ${rows.length + 1}` }, form, true, depth + 1);
    const remove = el('button', { type: 'button', class: 'quiet' }, 'Remove');
    const row = { field, element: el('div', { class: 'row' }, field.element, remove) };
    remove.addEventListener('click', () => {
      rows.splice(rows.indexOf(row), 1);
      row.element.remove();
      add.focus();
    });
    rows.push(row);
    list.append(row.element);
    return field;
  };
  // Whoever asks for another one gets it.
  add.addEventListener('click', () => {
    form.left = Math.max(form.left, FIELDS_MAX / 10);
    append().element.querySelector('input, textarea, select')?.focus();
  });
  const wanted = required ? Math.max(1, schema.minItems ?? 0) : 0;
  for (let count = 0; count < Math.min(wanted, 20) && form.left > 0; count += 1) append();
  const element = el('fieldset', { class: 'group' }, el('legend', {}, words, mark(required)),
    schema.description && el('p', { class: 'hint' }, schema.description), list, el('div', {}, add));
  const read = () => (rows.length === 0 && !required ? undefined : rows.map((row) => row.field.read()));
  return { element, read };
}

function manyField(name, words, schema, required, options) {
  const preset = new Set(schema.default ?? []);
  const boxes = options.map(([value, label]) => {
    const box = el('input', { type: 'checkbox', checked: preset.has(value), 'data-argument': name });
    return { value, box, element: el('label', { class: 'tick' }, box, label) };
  });
  const element = el('fieldset', { class: 'group' }, el('legend', {}, words, mark(required)),
    schema.description && el('p', { class: 'hint' }, schema.description), boxes.map((it) => it.element));
  const read = () => {
    const picked = boxes.filter((it) => it.box.checked).map((it) => it.value);
    return picked.length === 0 && !required ? undefined : picked;
  };
  return { element, read };
}
