import { type Facts, LIMITS } from '@muster/protocol';
import { execFileSync } from 'node:child_process';
import { hostname, machine, release, version } from 'node:os';
import { readLocalFile } from './local-file.js';

/** The facts about this machine for enrolment and HELLO. */
export function collectFacts(agentVersion: string): Facts {
  const { name, version: osVersion } = operatingSystem();
  return {
    host: clip(hostname(), LIMITS.hostBytes) || 'localhost',
    os: thisPlatform(),
    arch: clip(machine(), 32),
    osName: clip(name, LIMITS.factBytes),
    osVersion: clip(osVersion, LIMITS.factBytes),
    agentVersion,
  };
}

export function thisPlatform(): Facts['os'] {
  switch (process.platform) {
    case 'win32':
      return 'windows';
    case 'darwin':
      return 'darwin';
    default:
      return 'linux';
  }
}

interface OperatingSystem {
  readonly name: string;
  readonly version: string;
}

function operatingSystem(): OperatingSystem {
  switch (process.platform) {
    case 'win32':
      return { name: version(), version: release() };
    case 'darwin':
      return { name: 'macOS', version: macVersion() };
    default:
      return parseOsRelease(readOsRelease()) ?? { name: 'Linux', version: release() };
  }
}

/** The NAME and VERSION of an os-release file (freedesktop.org, os-release(5)); `undefined` when it has no NAME. */
export function parseOsRelease(text: string): OperatingSystem | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(.*))$/.exec(line.trim());
    if (match?.[1] === undefined) continue;
    const quoted = match[2]?.replaceAll(/\\(.)/g, '$1');
    values.set(match[1], quoted ?? match[3] ?? match[4] ?? '');
  }
  const name = values.get('NAME');
  if (name === undefined || name === '') return undefined;
  return { name, version: values.get('VERSION') ?? values.get('VERSION_ID') ?? '' };
}

function readOsRelease(): string {
  // The second path is the one that os-release(5) falls back to.
  return readLocalFile('/etc/os-release') ?? readLocalFile('/usr/lib/os-release') ?? '';
}

function macVersion(): string {
  try {
    return execFileSync('/usr/bin/sw_vers', ['-productVersion'], { encoding: 'utf8', timeout: 5_000 }).trim();
  } catch {
    return release();
  }
}

/** At most `bytes` bytes of UTF-8, cut at a character. */
function clip(text: string, bytes: number): string {
  const clean = text.toWellFormed();
  if (Buffer.byteLength(clean) <= bytes) return clean;
  const cut = Buffer.from(clean).subarray(0, bytes).toString('utf8');
  return cut.replace(/\uFFFD+$/, '');
}
