import type { Facts, Labels } from '@muster/protocol';
import { seeded, seededPick, seededUnit, seededWeighted } from './seeded.js';
import type { MachineChanges } from './machine-changes.js';
import { PROFILES, UNIFORM_PROFILE, type Profile } from './profile.js';

/** One simulated endpoint. Everything about it is derived from the fleet's seed and its index, and from what commands have changed. */
export interface Machine {
  readonly index: number;
  readonly seed: number;
  readonly profile: Profile;
  /** How far its updates are behind, 0 to 2. Machines of one profile and patch level are equal, byte for byte. */
  readonly patchLevel: number;
  /** Profile and patch level. Machines of one image give equal answers to all queries that are not about the single host. */
  readonly image: string;
  /** Whether it runs the suspicious program. */
  readonly suspicious: boolean;
  readonly address: string;
  readonly facts: Facts;
  labels: Labels;
  changes: MachineChanges | undefined;
}

export interface MachineOptions {
  readonly seed: number;
  /** All of one profile and patch level, so that all answer alike. */
  readonly uniform: boolean;
  readonly labels: Labels;
}

export const SIMULATOR_VERSION = '0.1.0';

const SITES = ['fra', 'ams', 'lon', 'nyc', 'sin'] as const;
const ROLE_LETTERS = {
  web: 'web',
  db: 'db',
  app: 'app',
  build: 'ci',
  office: 'pc',
  developer: 'dev',
  directory: 'dc',
  design: 'art',
};
const ENVIRONMENTS = [
  [70, 'prod'],
  [20, 'staging'],
  [10, 'test'],
] as const;

/** Machine `index` of a fleet. */
export function makeMachine({ seed, uniform, labels }: MachineOptions, index: number): Machine {
  const profile = uniform ? UNIFORM_PROFILE : pickProfile(seed, index);
  const site = seededPick(seed, index, 'site', SITES);
  const env = seededWeighted(seed, index, 'env', ENVIRONMENTS);
  const host = `${ROLE_LETTERS[profile.role]}-${site}-${String(index).padStart(5, '0')}`;
  const patchLevel = uniform ? 0 : seeded(seed, index, 'patch') % 3;
  return {
    index,
    seed,
    profile,
    patchLevel,
    image: `${profile.id}/${patchLevel}`,
    suspicious: !uniform && seededUnit(seed, index, 'suspicious') < 0.002,
    address: `10.${(index >> 14) & 255}.${(index >> 6) & 255}.${(index & 63) + 10}`,
    facts: {
      host,
      os: profile.os,
      arch: profile.arch,
      osName: profile.osName,
      osVersion: profile.osVersion,
      agentVersion: `${SIMULATOR_VERSION}-sim`,
    },
    labels: { site, env, role: profile.role, ...labels },
    changes: undefined,
  };
}

function pickProfile(seed: number, index: number): Profile {
  const [first, ...rest] = PROFILES.map((profile) => [profile.weight, profile] as const);
  return first === undefined ? UNIFORM_PROFILE : seededWeighted(seed, index, 'profile', [first, ...rest]);
}
