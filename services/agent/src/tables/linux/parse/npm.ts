import { asObject, parseObject } from './json.js';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly author: string;
  readonly license: string;
  readonly homepage: string;
}

/** Parses a package.json. `undefined` for any other text. */
export function parsePackageJson(text: string): NpmPackage | undefined {
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
