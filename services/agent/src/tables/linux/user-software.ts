import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/system.js';
import { asObject } from './parse/json.js';
import { type Home, homes } from './users.js';

const FIREFOX = [
  '.mozilla/firefox',
  'snap/firefox/common/.mozilla/firefox',
  '.var/app/org.mozilla.firefox/.mozilla/firefox',
];

/** The folder of each edition and osquery's name for it. */
const VSCODE = [
  ['.vscode', 'vscode'],
  ['.vscode-server', 'vscode_server'],
  ['.vscode-insiders', 'vscode_insiders'],
  ['.vscode-oss', 'vscodium'],
  ['.cursor', 'cursor'],
  ['.windsurf', 'windsurf'],
  ['.trae', 'trae'],
] as const;

/** What users have added to their programs. */
export const USER_SOFTWARE_COLLECTORS: readonly Collector[] = [
  {
    table: 'firefox_addons',
    *collect(system, request) {
      for (const account of homes(system, request)) {
        for (const folder of FIREFOX.map((one) => `${account.directory}/${one}`)) {
          for (const profile of account.files.list(folder)) {
            const found = read(account, `${folder}/${profile}/extensions.json`);
            for (const addon of list(asObject(found)?.['addons'])) yield { ...addonRow(addon), uid: account.uid };
          }
        }
      }
    },
  },
  {
    table: 'vscode_extensions',
    *collect(system, request) {
      for (const account of homes(system, request)) {
        for (const [folder, edition] of VSCODE) {
          const found = read(account, `${account.directory}/${folder}/extensions/extensions.json`);
          for (const extension of list(found))
            yield { ...extensionRow(extension), uid: account.uid, vscode_edition: edition };
        }
      }
    },
  },
];

type Json = Readonly<Record<string, unknown>>;

/** The content of a JSON file of the user; `undefined` where it is not one. */
function read({ files }: Home, path: string): unknown {
  const text = files.text(path);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asObject).filter((one) => one !== undefined) : [];
}

function addonRow(addon: Json): TableRow {
  const locale = asObject(addon['defaultLocale']) ?? {};
  return {
    name: word(locale['name']),
    identifier: word(addon['id']),
    creator: word(locale['creator']),
    type: word(addon['type']),
    version: word(addon['version']),
    description: word(locale['description']),
    source_url: word(addon['sourceURI']),
    visible: addon['visible'] === true,
    active: addon['active'] === true,
    disabled: addon['userDisabled'] === true || addon['appDisabled'] === true || addon['softDisabled'] === true,
    // 0: never; 1: as the browser is set; 2: always.
    autoupdate: addon['applyBackgroundUpdates'] !== 0,
    location: word(addon['location']),
    path: word(addon['path']),
  };
}

function extensionRow(extension: Json): TableRow {
  const identifier = asObject(extension['identifier']) ?? {};
  const metadata = asObject(extension['metadata']) ?? {};
  const installed = metadata['installedTimestamp'];
  return {
    name: word(identifier['id']),
    uuid: word(metadata['id'] ?? identifier['uuid']),
    version: word(extension['version']),
    path: word(asObject(extension['location'])?.['path']),
    publisher: word(metadata['publisherDisplayName']),
    publisher_id: word(metadata['publisherId']),
    installed_at: typeof installed === 'number' && Number.isSafeInteger(installed) ? installed : undefined,
    prerelease: metadata['isPreReleaseVersion'] === true,
  };
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
