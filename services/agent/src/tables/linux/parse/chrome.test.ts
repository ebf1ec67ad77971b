import { describe, expect, it } from '@jest/globals';
import { manifestLocale, parseManifest, parsePreferences, webkitSeconds } from './chrome.js';

const MANIFEST = JSON.stringify({
  name: '__MSG_appName__',
  description: 'plain',
  version: '1.2.3',
  default_locale: 'en',
  key: 'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ',
  permissions: ['tabs', { fileSystem: ['write'] }],
  background: { persistent: true },
  author: { email: 'a@x.test' },
});

describe('browser extensions', () => {
  it('reads a manifest with its messages', () => {
    expect(manifestLocale(MANIFEST)).toBe('en');
    expect(manifestLocale('{"default_locale":"../../x"}')).toBeUndefined();
    expect(parseManifest(MANIFEST, '{"appname":{"message":"Adblock"}}')).toMatchObject({
      name: 'Adblock',
      description: 'plain',
      version: '1.2.3',
      author: 'a@x.test',
      persistent: 1,
      permissions: 'tabs, {"fileSystem":["write"]}',
      optional_permissions: '',
      optional_permissions_json: '[]',
      identifier: expect.stringMatching(/^[a-p]{32}$/),
    });
    expect(parseManifest(MANIFEST, '')).toMatchObject({ name: '__MSG_appName__' });
    expect(parseManifest('{}', '')).toBeUndefined();
    expect(parseManifest('not json', '')).toBeUndefined();
  });

  it('reads preferences', () => {
    const text = JSON.stringify({
      profile: { name: 'Work' },
      extensions: {
        settings: {
          abc: { path: 'abc/1.0_0', state: 1, from_webstore: true, install_time: '13300000000000000' },
          gone: {},
        },
      },
    });
    expect(parsePreferences(text)).toEqual({
      name: 'Work',
      extensions: [{ id: 'abc', path: 'abc/1.0_0', state: 1, fromWebstore: true, installTime: '13300000000000000' }],
    });
    expect(parsePreferences('')).toEqual({ name: '', extensions: [] });
    expect(webkitSeconds('13300000000000000')).toBe(1_655_526_400);
    expect(webkitSeconds('')).toBe(0);
  });
});
