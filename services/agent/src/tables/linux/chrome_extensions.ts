import type { TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { homes } from './users.js';
import {
  type ExtensionSettings,
  manifestLocale,
  parseManifest,
  parsePreferences,
  webkitSeconds,
} from './parse/chrome.js';

/** Profile folders of the browsers below a home folder, including snap and flatpak. */
const BROWSERS: readonly (readonly [type: string, folder: string])[] = [
  ['chrome', '.config/google-chrome'],
  ['chrome_beta', '.config/google-chrome-beta'],
  ['chrome_dev', '.config/google-chrome-unstable'],
  ['chrome', '.var/app/com.google.Chrome/config/google-chrome'],
  ['chromium', '.config/chromium'],
  ['chromium', 'snap/chromium/common/chromium'],
  ['chromium', '.var/app/org.chromium.Chromium/config/chromium'],
  ['brave', '.config/BraveSoftware/Brave-Browser'],
  ['edge', '.config/microsoft-edge'],
  ['edge_beta', '.config/microsoft-edge-beta'],
  ['vivaldi', '.config/vivaldi'],
  ['opera', '.config/opera'],
  ['yandex', '.config/yandex-browser'],
];

interface Profile {
  readonly browser: string;
  readonly uid: number;
  readonly path: string;
}

export const chromeExtensions: Collector = {
  table: 'chrome_extensions',
  *collect(system, request) {
    for (const { uid, directory, files } of homes(system, request)) {
      for (const [browser, folder] of BROWSERS) {
        for (const path of profiles(files, `${directory}/${folder}`)) {
          yield* readProfile(files, { browser, uid, path });
        }
      }
    }
  },
};

/** Opera's profile is the folder itself. The other browsers have one folder per profile. */
function profiles(files: System, base: string): string[] {
  const inside = files.list(base).map((name) => `${base}/${name}`);
  return [base, ...inside].filter((path) => files.exists(`${path}/Preferences`));
}

function* readProfile(files: System, profile: Profile): Iterable<TableRow> {
  const preferences = parsePreferences(files.text(`${profile.path}/Preferences`) ?? '');
  const secure = parsePreferences(files.text(`${profile.path}/Secure Preferences`) ?? '');
  const settings = new Map([...preferences.extensions, ...secure.extensions].map((one) => [one.id, one]));
  const name = preferences.name;
  const base = `${profile.path}/Extensions`;
  const found = new Set<string>();
  for (const id of files.list(base)) {
    for (const version of files.list(`${base}/${id}`)) {
      const setting = settings.get(id);
      // The browser removes older versions later.
      if (setting !== undefined && !setting.path.startsWith('/') && setting.path !== `${id}/${version}`) continue;
      found.add(id);
      yield* readExtension(files, { ...profile, name }, `${base}/${id}/${version}`, setting);
    }
  }
  for (const setting of settings.values()) {
    const loaded = setting.path.startsWith('/') && !found.has(setting.id);
    if (loaded) yield* readExtension(files, { ...profile, name }, setting.path, setting);
  }
}

function* readExtension(
  files: System,
  profile: Profile & { readonly name: string },
  path: string,
  setting: ExtensionSettings | undefined,
): Iterable<TableRow> {
  const text = files.text(`${path}/manifest.json`);
  if (text === undefined) return;
  const locale = manifestLocale(text);
  const messages = locale === undefined ? '' : (files.text(`${path}/_locales/${locale}/messages.json`) ?? '');
  const manifest = parseManifest(text, messages);
  if (manifest === undefined) return;
  yield {
    ...manifest,
    browser_type: profile.browser,
    uid: profile.uid,
    profile: profile.name,
    profile_path: profile.path,
    path,
    referenced_identifier: setting?.id ?? '',
    referenced: setting === undefined ? 0 : 1,
    from_webstore: setting?.fromWebstore === undefined ? '' : String(setting.fromWebstore),
    state: setting?.state === undefined ? '' : String(setting.state),
    install_time: setting?.installTime ?? '',
    install_timestamp: webkitSeconds(setting?.installTime ?? ''),
    current_locale: '',
  };
}
