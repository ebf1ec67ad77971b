import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base32 } from '@muster/protocol';
import { generateSigningJwks, mintOperatorToken, parseOperatorToken } from '@muster/identity';

/** The org of everything that runs on one machine. */
export const LOCAL_ORG = 'local';

export interface StackSecrets {
  /** An operator token with the role `admin`. */
  readonly token: string;
  /** With this, an endpoint may enrol in {@link LOCAL_ORG}. */
  readonly enrollSecret: string;
  /** The private JWKS that signs agent tokens. */
  readonly agentTokenKeysPath: string;
}

/** Makes the secrets of a stack once, and reads them afterwards: agents that enrolled must find the same keys again. */
export async function ensureSecrets(folder: string): Promise<StackSecrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const agentTokenKeysPath = join(folder, 'agent-token-keys.json');
  const jwks = await readOrMake(agentTokenKeysPath, async () => JSON.stringify(await generateSigningJwks()));
  if (jwks === '') throw new Error(`${agentTokenKeysPath} is empty; start with --fresh`);
  const token = await readOrMake(join(folder, 'operator-token'), () => mintOperatorToken().token);
  if (!parseOperatorToken(token).ok)
    throw new Error(`${join(folder, 'operator-token')} holds no token; start with --fresh`);
  const enrollSecret = await readOrMake(join(folder, 'enroll-secret'), () => base32(randomBytes(20)));
  return { token, enrollSecret, agentTokenKeysPath };
}

async function readOrMake(path: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const value = await make();
  await writeFile(path, `${value}\n`, { mode: 0o600, flag: 'wx' });
  return value;
}
