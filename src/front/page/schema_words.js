// A schema as people read it: what it is called, what it is, what it is for.

import { el } from './dom.js';
import { resolve } from './schema_form.js';

const DEPTH_MAX = 5;
/** Members that are told at most: a schema may refer to itself. */
const TOLD_MAX = 300;

/** The members of an object as a list of definitions. */
export function schemaWords(schema, root = schema, depth = 0, room = { left: TOLD_MAX }) {
  const all = Object.entries(schema?.properties ?? {});
  const members = all.slice(0, Math.max(room.left, 0));
  room.left -= members.length;
  if (all.length > 0 && members.length === 0) return el('p', { class: 'hint' }, 'And so on: see the definition.');
  if (members.length === 0) return el('p', { class: 'hint' }, schema?.properties ? 'Nothing.' : 'The schema does not say.');
  const required = new Set(schema.required ?? []);
  return el('dl', { class: 'schema' }, members.map(([name, property]) => [
    el('dt', {}, el('code', {}, name), el('span', { class: 'kind' }, kind(property)),
      required.has(name) && el('span', { class: 'tag' }, 'required')),
    el('dd', {}, property?.description, limits(property),
      inner(property, root) && depth < DEPTH_MAX && schemaWords(inner(property, root), root, depth + 1, room)),
  ]));
}

function inner(written, root) {
  const property = resolve(written, root);
  if (property.properties) return property;
  const items = resolve(property.items ?? {}, root);
  return items.properties ? items : null;
}

function kind(property) {
  if (typeof property !== 'object' || property === null) return 'anything';
  if (property.enum) return `one of ${property.enum.map((it) => JSON.stringify(it)).join(', ')}`;
  if (property.const !== undefined) return `always ${JSON.stringify(property.const)}`;
  const either = property.anyOf ?? property.oneOf;
  if (either) return either.map(kind).join(' or ');
  if (property.$ref) return property.$ref.split('/').pop();
  if (property.type === 'array') return `list of ${kind(property.items ?? {})}`;
  return [property.type ?? 'anything'].flat().join(' or ');
}

function limits(property) {
  const said = [
    property?.default !== undefined && `If left out: ${JSON.stringify(property.default)}.`,
    property?.minimum !== undefined && `At least ${property.minimum}.`,
    property?.maximum !== undefined && `At most ${property.maximum}.`,
    property?.maxLength !== undefined && `At most ${property.maxLength} characters.`,
    property?.pattern !== undefined && `Pattern: ${property.pattern}.`,
  ].filter(Boolean);
  return said.length > 0 && el('span', { class: 'hint' }, ` ${said.join(' ')}`);
}
