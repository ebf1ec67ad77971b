import { createHash } from 'node:crypto';
import { asObject, parseObject } from './json.js';

type Json = Readonly<Record<string, unknown>>;

/** Preferences of a profile for one extension. */
export interface ExtensionSettings {
  readonly id: string;
  /** Relative to the profile's Extensions folder, or absolute for an unpacked extension. */
  readonly path: string;
  readonly fromWebstore: boolean | undefined;
  readonly state: number | undefined;
  /** Microseconds since 1601, as text. */
  readonly installTime: string;
}

export interface ProfilePreferences {
  readonly name: string;
  readonly extensions: readonly ExtensionSettings[];
}

/** Parses `Preferences` or `Secure Preferences` of a profile. */
export function parsePreferences(text: string): ProfilePreferences {
  const root = parseObject(text);
  const name = asObject(root?.['profile'])?.['name'];
  const settings = asObject(asObject(root?.['extensions'])?.['settings']) ?? {};
  const extensions = Object.entries(settings).flatMap(([id, value]) => {
    const one = asObject(value);
    if (one === undefined || typeof one['path'] !== 'string') return [];
    const installTime = one['first_install_time'] ?? one['install_time'];
    return [
      {
        id,
        path: one['path'],
        fromWebstore: typeof one['from_webstore'] === 'boolean' ? one['from_webstore'] : undefined,
        state: typeof one['state'] === 'number' ? one['state'] : undefined,
        installTime: typeof installTime === 'string' ? installTime : '',
      },
    ];
  });
  return { name: typeof name === 'string' ? name : '', extensions };
}

/** The table's columns from a manifest. `undefined` when the text is not a manifest. */
export function parseManifest(text: string, messages: string): Record<string, string | number> | undefined {
  const manifest = parseObject(text);
  if (typeof manifest?.['version'] !== 'string') return undefined;
  const localized = parseObject(messages);
  const word = (key: string): string => localize(manifest[key], localized);
  return {
    name: word('name'),
    version: manifest['version'],
    description: word('description'),
    default_locale: word('default_locale'),
    update_url: word('update_url'),
    author: authorOf(manifest['author']),
    persistent: asObject(manifest['background'])?.['persistent'] === true ? 1 : 0,
    ...permissionColumns('permissions', manifest),
    ...permissionColumns('optional_permissions', manifest),
    identifier: typeof manifest['key'] === 'string' ? extensionId(manifest['key']) : '',
    key: word('key'),
    manifest_hash: createHash('sha256').update(text).digest('hex'),
    manifest_json: text,
  };
}

/** The locale folder with the messages of the manifest. */
export function manifestLocale(text: string): string | undefined {
  const locale = parseObject(text)?.['default_locale'];
  return typeof locale === 'string' && /^[\w-]+$/.test(locale) ? locale : undefined;
}

/** Replaces `__MSG_name__` by its text. */
function localize(value: unknown, messages: Json | undefined): string {
  if (typeof value !== 'string') return '';
  const key = /^__MSG_(\w+)__$/.exec(value)?.[1]?.toLowerCase();
  if (key === undefined) return value;
  const entry = Object.entries(messages ?? {}).find(([name]) => name.toLowerCase() === key);
  const message = asObject(entry?.[1])?.['message'];
  return typeof message === 'string' ? message : value;
}

/** A name, or an object with an e-mail address. */
function authorOf(value: unknown): string {
  const author = asObject(value)?.['email'] ?? value;
  return typeof author === 'string' ? author : '';
}

function permissionColumns(key: string, manifest: Json): Record<string, string> {
  const list = Array.isArray(manifest[key]) ? manifest[key] : [];
  const names = list.map((one: unknown) => (typeof one === 'string' ? one : JSON.stringify(one)));
  return { [key]: names.join(', '), [`${key}_json`]: JSON.stringify(list) };
}

/** The first 16 bytes of the key's SHA-256, with a letter from a to p for each hex digit. */
function extensionId(key: string): string {
  const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('hex').slice(0, 32);
  return Array.from(digest, (digit) => String.fromCharCode(97 + parseInt(digit, 16))).join('');
}

/** Converts microseconds since 1601 to Unix seconds. 0 when invalid. */
export function webkitSeconds(time: string): number {
  const betweenEpochs = 11_644_473_600;
  return /^\d{11,}$/.test(time) ? Math.floor(Number(time) / 1_000_000) - betweenEpochs : 0;
}
