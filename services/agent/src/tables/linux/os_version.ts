import { arch } from 'node:os';
import type { Collector } from '../contract/collector.js';
import { parseAssignments } from './parse/etc.js';
import { machineName } from './system_info.js';

export const osVersion: Collector = {
  table: 'os_version',
  *collect(system) {
    const text = system.text('/etc/os-release') ?? system.text('/usr/lib/os-release');
    if (text === undefined) return;
    const release = parseAssignments(text);
    const parts = (release.get('VERSION_ID') ?? '').split('.').map((part) => parseInt(part, 10));
    const number = (index: number): number => (Number.isNaN(parts[index] ?? NaN) ? 0 : (parts[index] ?? 0));
    yield {
      name: release.get('NAME'),
      version: release.get('VERSION') ?? release.get('VERSION_ID') ?? '',
      major: number(0),
      minor: number(1),
      patch: number(2),
      build: release.get('BUILD_ID') ?? '',
      platform: release.get('ID'),
      platform_like: release.get('ID_LIKE') ?? '',
      codename: release.get('VERSION_CODENAME') ?? '',
      arch: machineName(arch()),
    };
  },
};
