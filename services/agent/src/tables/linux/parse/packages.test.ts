import { describe, expect, it } from '@jest/globals';
import { aptListName, parseDeb822Sources, parseSourcesList } from './apt.js';
import { parseDpkgStatus, parseParagraphs } from './dpkg.js';
import { parsePackageJson } from './npm.js';
import { parsePythonMetadata } from './python.js';
import { parseRpmQuery, RPM_QUERY_FORMAT } from './rpm.js';

const STATUS = `Package: bash
Essential: yes
Status: install ok installed
Priority: required
Section: shells
Installed-Size: 7164
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Multi-Arch: foreign
Version: 5.2.15-2+b7
Replaces: bash-completion (<< 20060301-0)
Conffiles:
 /etc/bash.bashrc 89269e1298235f1b12b4c16e4065ad0d
Description: GNU Bourne Again SHell
 Version: this line is a description
 .
 more

Package: removed
Status: deinstall ok config-files
Architecture: all

Package: libc6
Status: install ok installed
Source: glibc
Architecture: amd64
Version: 2.36-9+deb12u4`;

describe('package databases', () => {
  it("reads dpkg's status file", () => {
    expect([...parseDpkgStatus(STATUS)]).toEqual([
      {
        name: 'bash',
        version: '5.2.15-2+b7',
        source: '',
        size: 7164,
        arch: 'amd64',
        revision: '2+b7',
        status: 'install ok installed',
        maintainer: 'Matthias Klose <doko@debian.org>',
        section: 'shells',
        priority: 'required',
      },
      expect.objectContaining({
        name: 'libc6',
        source: 'glibc',
        version: '2.36-9+deb12u4',
        size: undefined,
        section: '',
      }),
    ]);
    expect([...parseDpkgStatus('')]).toEqual([]);
  });

  it('reads continuation lines of control files', () => {
    expect([...parseParagraphs('# c\nA: 1\n 2\n\n\nB: 3\n')].map((one) => Object.fromEntries(one))).toEqual([
      { a: '1\n2' },
      { b: '3' },
    ]);
  });

  it('reads rpm output', () => {
    expect(RPM_QUERY_FORMAT.startsWith('%{NAME}\u001f%{VERSION}')).toBe(true);
    const line = [
      'bash',
      '5.1.8',
      '9.el9',
      'bash-5.1.8-9.el9.src.rpm',
      '7738634',
      'ab12',
      'x86_64',
      '(none)',
      '1700000000',
      'Rocky',
      'Unspecified',
    ];
    expect(parseRpmQuery(`${line.join('\u001f')}\nerror: damaged\n`)).toEqual([
      {
        name: 'bash',
        version: '5.1.8',
        release: '9.el9',
        source: 'bash-5.1.8-9.el9.src.rpm',
        size: 7_738_634,
        sha1: 'ab12',
        arch: 'x86_64',
        install_time: 1_700_000_000,
        vendor: 'Rocky',
        package_group: 'Unspecified',
      },
    ]);
  });

  it('reads apt sources in both formats', () => {
    const line =
      'deb [arch=amd64,arm64 signed-by=/k.gpg] https://deb.test/debian/ bookworm main contrib # x\n#deb off\ndeb-src http://x y z\n';
    expect(parseSourcesList(line)).toEqual([
      {
        uri: 'https://deb.test/debian/',
        release: 'bookworm',
        components: 'main contrib',
        architectures: 'amd64 arm64',
      },
    ]);
    const deb822 =
      'Types: deb deb-src\nURIs: http://deb.test/debian\nSuites: a a-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: x\nSuites: y\n';
    expect(parseDeb822Sources(deb822).map((one) => one.release)).toEqual(['a', 'a-updates']);
    expect(parseSourcesList(line).map(aptListName)).toEqual(['deb.test_debian_dists_bookworm']);
  });

  it('blanks and # within brackets and quotes of an apt source belong to the word', () => {
    const disc =
      'deb cdrom:[Some OS 7 #2 - Official amd64 DVD]/ stable main extra # the disc\ndeb [arch=arm64] "http://a.test/b c" s\n';
    expect(parseSourcesList(disc)).toEqual([
      {
        uri: 'cdrom:[Some OS 7 #2 - Official amd64 DVD]/',
        release: 'stable',
        components: 'main extra',
        architectures: '',
      },
      { uri: 'http://a.test/b c', release: 's', components: '', architectures: 'arm64' },
    ]);
    expect(parseSourcesList('deb http://x%20y/ s main\nDEB http://x s\ndeb http://x\n').map(({ uri }) => uri)).toEqual([
      'http://x y/',
    ]);
  });

  it('reads metadata of Python and Node.js packages', () => {
    const metadata =
      'Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nSummary: HTTP\nAuthor-email: me@x.test\nLicense: Apache 2.0\n\nName: not this\n';
    expect(parsePythonMetadata(metadata)).toEqual({
      name: 'requests',
      version: '2.31.0',
      summary: 'HTTP',
      author: 'me@x.test',
      license: 'Apache 2.0',
    });
    expect(parsePythonMetadata('nothing')).toBeUndefined();
    const json = JSON.stringify({
      name: 'x',
      version: '1',
      author: { name: 'A', email: 'a@x.test' },
      license: { type: 'MIT' },
    });
    expect(parsePackageJson(json)).toEqual({
      name: 'x',
      version: '1',
      description: '',
      author: 'A <a@x.test>',
      license: 'MIT',
      homepage: '',
    });
    expect(parsePackageJson('{')).toBeUndefined();
    expect(parsePackageJson('[]')).toBeUndefined();
  });
});
