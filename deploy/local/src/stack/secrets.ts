import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningJwks, mintOperatorToken, parseOperatorToken } from '@muster/identity';
import { base32 } from '@muster/protocol';
import { ensureCommandKeys, type CommandKeyFiles } from './command-keys.js';
import { readOrMake } from './read-or-make.js';

/** The org of everything that runs on one machine. */
export const LOCAL_ORG = 'local';

export interface StackSecrets {
  /** An operator token with the role `admin`. */
  readonly token: string;
  /** With this, an endpoint may enrol in {@link LOCAL_ORG}. */
  readonly enrollSecret: string;
  /**
   * Programs get the files, not the values: a process's environment can be read by whoever may read `process_envs`, on this machine that is
   * every analyst.
   */
  readonly tokenPath: string;
  readonly enrollSecretPath: string;
  /** `org=secret`, as gateways take it. */
  readonly enrollSecretsPath: string;
  /** The private JWKS that signs agent tokens. */
  readonly agentTokenKeysPath: string;
  readonly commandKeys: CommandKeyFiles;
  /** What API and command service share, and gateways do not have. */
  readonly commandRequestKeyPath: string;
}

/** Makes the secrets of a stack once, and reads them afterwards: agents that enrolled must find the same keys again. */
export async function ensureSecrets(folder: string): Promise<StackSecrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const agentTokenKeysPath = join(folder, 'agent-token-keys.json');
  const jwks = await readOrMake(agentTokenKeysPath, async () => JSON.stringify(await generateSigningJwks()));
  if (jwks === '') throw new Error(`${agentTokenKeysPath} is empty; start with --fresh`);
  const tokenPath = join(folder, 'operator-token');
  const token = await readOrMake(tokenPath, () => mintOperatorToken().token);
  if (!parseOperatorToken(token).ok) throw new Error(`${tokenPath} holds no token; start with --fresh`);
  const enrollSecretPath = join(folder, 'enroll-secret');
  const enrollSecret = await readOrMake(enrollSecretPath, () => base32(randomBytes(20)));
  const enrollSecretsPath = join(folder, 'enroll-secrets');
  await readOrMake(enrollSecretsPath, () => `${LOCAL_ORG}=${enrollSecret}`);
  const commandKeys = await ensureCommandKeys(folder);
  const commandRequestKeyPath = join(folder, 'command-request-key');
  await readOrMake(commandRequestKeyPath, () => base32(randomBytes(32)));
  return {
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
