import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateSigningJwks,
  mintOperatorToken,
  parseOperatorToken,
  parseSigningJwks,
  publicJwks,
} from '@muster/identity';
import { base32 } from '@muster/protocol';
import { ensureCommandKeys, readOrCreate, type CommandKeyFiles } from './command-keys.js';

/** The organisation of a local stack. */
export const LOCAL_ORG = 'local';

export interface StackSecrets {
  /** An operator token with the role `admin`. */
  readonly token: string;
  /** The secret for enrolment in {@link LOCAL_ORG}. */
  readonly enrollSecret: string;
  /** Programs get the paths of files, not the values: every operator who may query `process_envs` can read a process's environment. */
  readonly tokenPath: string;
  readonly enrollSecretPath: string;
  /** `org=secret`, as gateways take it. */
  readonly enrollSecretsPath: string;
  /** The private JWKS that signs agent tokens. */
  readonly agentTokenKeysPath: string;
  readonly commandKeys: CommandKeyFiles;
  /** The private JWKS with which APIs sign records that decide rights, and its public part, for all services. */
  readonly recordKeysPath: string;
  readonly recordPublicKeysPath: string;
  /** The key that API and command service share; gateways do not have it. */
  readonly commandRequestKeyPath: string;
}

/** Creates the secrets of a stack once, and reads them afterwards: enrolled agents depend on the same keys. */
export async function ensureSecrets(folder: string, org: string = LOCAL_ORG): Promise<StackSecrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const agentTokenKeysPath = join(folder, 'agent-token-keys.json');
  const jwks = await readOrCreate(agentTokenKeysPath, async () => JSON.stringify(await generateSigningJwks()));
  if (jwks === '') throw new Error(`${agentTokenKeysPath} is empty; start with --fresh`);
  const tokenPath = join(folder, 'operator-token');
  const token = await readOrCreate(tokenPath, () => mintOperatorToken().token);
  if (!parseOperatorToken(token).ok) throw new Error(`${tokenPath} holds no token; start with --fresh`);
  const enrollSecretPath = join(folder, 'enroll-secret');
  const enrollSecret = await readOrCreate(enrollSecretPath, () => base32(randomBytes(20)));
  const enrollSecretsPath = join(folder, 'enroll-secrets');
  await readOrCreate(enrollSecretsPath, () => `${org}=${enrollSecret}`);
  const commandKeys = await ensureCommandKeys(folder);
  const commandRequestKeyPath = join(folder, 'command-request-key');
  await readOrCreate(commandRequestKeyPath, () => base32(randomBytes(32)));
  const records = await ensureRecordKeys(folder);
  return {
    ...records,
    commandRequestKeyPath,
    token,
    enrollSecret,
    tokenPath,
    enrollSecretPath,
    enrollSecretsPath,
    agentTokenKeysPath,
    commandKeys,
  };
}

async function ensureRecordKeys(
  folder: string,
): Promise<Pick<StackSecrets, 'recordKeysPath' | 'recordPublicKeysPath'>> {
  const recordKeysPath = join(folder, 'record-keys.json');
  const recordPublicKeysPath = join(folder, 'record-public-keys.json');
  const text = await readOrCreate(recordKeysPath, async () => JSON.stringify(await generateSigningJwks()));
  const parsed = parseSigningJwks(text);
  if (!parsed.ok) throw new Error(`${recordKeysPath} ${parsed.fault}; start with --fresh`);
  await readOrCreate(recordPublicKeysPath, () => JSON.stringify(publicJwks(parsed.jwks)));
  return { recordKeysPath, recordPublicKeysPath };
}
