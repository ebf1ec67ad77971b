import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { base32 } from '@muster/protocol';
import type { CommandEnv } from '../environment/command-env.js';
import { addCommandKeys } from './command-keys.js';

// 160 bits: 32 characters of base32.
const ENROLL_SECRET_BYTES = 20;

/**
 * `muster keys`: makes the secrets that a deployment starts with. Nothing is sent or stored. The secret goes to standard output, for
 * a file or a secret store; its purpose goes to standard error.
 */
export function addKeysCommand(program: Command, { terminal }: CommandEnv): void {
  const keys = program.command('keys').description('Makes the secrets that a deployment starts with; stores none.');
  const give = async (secret: string, purpose: readonly string[]): Promise<void> => {
    await terminal.stderr.write(purpose.map((line) => `${line}\n`).join(''));
    await terminal.stdout.write(`${secret}\n`);
  };

  keys
    .command('token-signing')
    .description('A key that signs agent tokens, as a private JWKS document.')
    .action(async () => {
      // Loaded only here, because no other command needs it.
      const { generateSigningJwks } = await import('@muster/identity');
      await give(JSON.stringify(await generateSigningJwks()), [
        'MUSTER_AGENT_TOKEN_KEYS (or MUSTER_AGENT_TOKEN_KEYS_FILE) of every gateway: signs and verifies agent tokens.',
        'The same document on all of them. Whoever has it can pass for any agent.',
      ]);
    });

  addCommandKeys(keys, give);

  keys
    .command('operator-token')
    .description('An operator token for the first login, before there are any.')
    .action(async () => {
      const { mintOperatorToken } = await import('@muster/identity');
      await give(mintOperatorToken().token, [
        'MUSTER_BOOTSTRAP_TOKEN (or MUSTER_BOOTSTRAP_TOKEN_FILE) of every API: it is admin as long as it is set there.',
        'Log in with it (muster context set NAME --api-url URL --token -), make tokens for people with `muster tokens create`,',
        'and take it out of the configuration.',
      ]);
    });

  keys
    .command('enroll-secret')
    .description('A secret with which agents enrol in an org.')
    .action(() =>
      give(base32(randomBytes(ENROLL_SECRET_BYTES)), [
        'MUSTER_ENROLL_SECRETS of every gateway, as org=secret, and MUSTER_ENROLL_SECRET of the agents of that org.',
        'Whoever has it can add endpoints to the org, and do nothing else.',
      ]),
    );
}
