import type { Logger } from '@muster/runtime';
import { dockerAnswers } from './docker.js';
import { findBinary } from './find-binary.js';
import { installPackage } from './install-package.js';

export interface FindOptions {
  readonly logger: Logger;
  /** Default: all of them. Tests use it to force one. */
  readonly allow?: readonly ProgramOrigin[];
}

/** Where a program is looked for, in this order. */
export type ProgramOrigin = 'path' | 'packages' | 'docker';
const ALL_ORIGINS: readonly ProgramOrigin[] = ['path', 'packages', 'docker'];

/** A binary or an image from which a broker can be started. */
export type BrokerSource =
  | { readonly kind: 'binary'; readonly path: string }
  | { readonly kind: 'container'; readonly docker: string; readonly image: string };

export type BrokerName = 'nats' | 'redis';

export const BROKER_IMAGES = { nats: 'nats:2.10-alpine', redis: 'redis:7-alpine' } as const;
const PROGRAMS = { nats: 'nats-server', redis: 'redis-server' } as const;
const INSTEAD = { nats: 'MUSTER_NATS_URL', redis: 'MUSTER_REDIS_URL' } as const;

/** A program was not found and could not be installed. The message says what was tried and what to install. */
export class MissingProgramError extends Error {
  override readonly name = 'MissingProgramError';
  readonly program: string;

  constructor(program: string, message: string) {
    super(message);
    this.program = program;
  }
}

/**
 * Finds a broker: the program on this machine; else from the system's packages; else a Docker image.
 * @throws MissingProgramError when none of these works.
 */
export async function findBroker(name: BrokerName, options: FindOptions): Promise<BrokerSource> {
  const program = PROGRAMS[name];
  const search = await findOrInstall(program, program, options);
  if (search.path !== undefined) return { kind: 'binary', path: search.path };
  const tried = [...search.tried];
  if ((options.allow ?? ALL_ORIGINS).includes('docker')) {
    const docker = await dockerAnswers();
    if (docker !== undefined) return { kind: 'container', docker, image: BROKER_IMAGES[name] };
    tried.push('no Docker engine answers');
  }
  throw new MissingProgramError(
    program,
    `${program} is needed and cannot be found: ${tried.join('; ')}. Install it (\`sudo apt-get install ${program}\`), ` +
      `or start Docker, or set ${INSTEAD[name]} to a server that runs.`,
  );
}

/**
 * Finds a program for which there is no image, and installs it if necessary. Returns its path.
 * @throws MissingProgramError when it is not there and cannot be installed.
 */
export async function ensureBinary(program: string, aptPackage: string, options: FindOptions): Promise<string> {
  const search = await findOrInstall(program, aptPackage, options);
  if (search.path !== undefined) return search.path;
  throw new MissingProgramError(
    program,
    `${program} is needed and cannot be found: ${search.tried.join('; ')}. Install it (\`sudo apt-get install ${aptPackage}\`).`,
  );
}

async function findOrInstall(program: string, aptPackage: string, options: FindOptions) {
  const { logger, allow = ALL_ORIGINS } = options;
  const tried: string[] = [];
  if (allow.includes('path')) {
    const found = await findBinary(program);
    if (found !== undefined) return { path: found, tried };
    tried.push('it is neither on PATH nor in the system folders');
  }
  if (allow.includes('packages')) {
    const failure = await installPackage(aptPackage, logger);
    const found = failure === undefined ? await findBinary(program) : undefined;
    if (found !== undefined) return { path: found, tried };
    tried.push(failure ?? `the package ${aptPackage} does not contain it`);
  }
  return { path: undefined, tried };
}
