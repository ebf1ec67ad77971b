import type { TableRow } from '@muster/tables';
import { asObject, parseObject } from './json.js';

/** Parses a package.json. `undefined` for any other text. */
export function parsePackageJson(text: string): TableRow | undefined {
  const json = parseObject(text);
  if (typeof json?.['name'] !== 'string') return undefined;
  const word = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    name: json['name'],
    version: word(json['version']),
    description: word(json['description']),
    author: word(json['author']) || personOf(json['author']),
    license: word(json['license']) || word(asObject(json['license'])?.['type']),
    homepage: word(json['homepage']),
  };
}

function personOf(value: unknown): string {
  const person = asObject(value);
  if (typeof person?.['name'] !== 'string') return '';
  return typeof person['email'] === 'string' ? `${person['name']} <${person['email']}>` : person['name'];
}
