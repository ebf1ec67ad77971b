import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { base32, type CommandKeysClaims } from '@muster/protocol';
import { usageError } from '../terminal/cli-error.js';

const REQUEST_KEY_BYTES = 32;

/** Writes a secret to standard output, and its purpose to standard error. */
export type Give = (secret: string, purpose: readonly string[]) => Promise<void>;

interface ListOptions {
  readonly root: string;
  readonly keys?: readonly string[];
  readonly previous?: string;
  readonly retire?: readonly string[];
  readonly expires?: number;
}

/** The keys of response actions: an offline root, signing keys, and the list of signing keys that the root has signed. */
export function addCommandKeys(keys: Command, give: Give): void {
  keys
    .command('command-root')
    .description('The root of trust for commands, as a private JWKS document. Keep it offline.')
    .action(async () => {
      const { generateCommandRoot } = await import('@muster/identity');
      await give(JSON.stringify(await generateCommandRoot()), [
        'Signs lists of command keys (muster keys command-list) and nothing else: keep it off every server.',
        'Whoever has it can name keys of their own, and with those command any endpoint that has pinned it.',
        'Its public part (muster keys public FILE) is MUSTER_COMMAND_ROOTS of every gateway; agents pin it when they enrol.',
      ]);
    });

  keys
    .command('command-signing')
    .description('A key that signs commands, as a private JWKS document.')
    .action(async () => {
      const { generateSigningJwks } = await import('@muster/identity');
      await give(JSON.stringify(await generateSigningJwks()), [
        'MUSTER_COMMAND_KEYS (or MUSTER_COMMAND_KEYS_FILE) of every command service: signs commands.',
        'Agents believe it once a list that the root has signed names it: muster keys command-list.',
      ]);
    });

  keys
    .command('record-signing')
    .description('A key that signs kept records which decide rights, as a private JWKS document.')
    .action(async () => {
      const { generateSigningJwks } = await import('@muster/identity');
      await give(JSON.stringify(await generateSigningJwks()), [
        'MUSTER_RECORD_KEYS (or MUSTER_RECORD_KEYS_FILE) of every API: signs operator tokens, revocations, labels and modes.',
        'Its public part (muster keys public FILE) is MUSTER_RECORD_PUBLIC_KEYS of all other services.',
      ]);
    });

  keys
    .command('command-list')
    .description('The list of keys that may sign commands, signed by the root: the previous list and what changes.')
    .requiredOption('--root <file>', 'private JWKS of the root')
    .option('--keys <file...>', 'JWKS of keys that join the list, private or public')
    .option('--previous <file>', 'the list that this one follows; without it this is the first')
    .option('--retire <kid...>', 'ids of keys that must not be believed any more')
    .option('--expires <date>', 'when the keys that join stop counting: 2027-06-30, or with a time', parseDate)
    .addHelpText('after', ROTATION)
    .action(async ({ root, keys: documents = [], previous, retire = [], expires }: ListOptions) => {
      const { makeCommandList } = await import('./command-list.js');
      const request = {
        root: read(root),
        keys: documents.map(read),
        retire,
        ...(previous === undefined ? {} : { previous: read(previous) }),
        ...(expires === undefined ? {} : { expiresAtMs: expires }),
      };
      const { jws, claims } = makeCommandList(request, Date.now());
      await give(jws, describe(claims));
    });

  keys
    .command('command-request')
    .description('What API and command services share, so that nobody else can ask for commands.')
    .action(() =>
      give(base32(randomBytes(REQUEST_KEY_BYTES)), [
        'MUSTER_COMMAND_REQUEST_KEY (or MUSTER_COMMAND_REQUEST_KEY_FILE) of every API and every command service, and of nothing else.',
        'Whoever has it, and a way onto the broker, can submit commands in anybody’s name.',
      ]),
    );

  keys
    .command('public <file...>')
    .description('The public parts of JWKS documents, as one document.')
    .action(async (files: readonly string[]) => {
      const { publicParts } = await import('./command-list.js');
      await give(JSON.stringify(publicParts(files.map(read))), [
        'No secret. Of the root of commands: MUSTER_COMMAND_ROOTS (or MUSTER_COMMAND_ROOTS_FILE) of every gateway,',
        'or MUSTER_COMMAND_ROOTS_FILE of agents that shall not take it from a gateway.',
      ]);
    });
}

const ROTATION = `
The first list:     muster keys command-list --root ROOT --keys KEYS > list-1.jws
A new key joins:    muster keys command-list --root ROOT --previous list-1.jws --keys NEW-KEYS > list-2.jws
The old one goes:   muster keys command-list --root ROOT --previous list-2.jws --retire KID > list-3.jws

Agents never go back to a lower version, and refuse a second list of the same one: give each the list before it.`;

function describe({ version, keys, retired }: CommandKeysClaims): string[] {
  return [
    'MUSTER_COMMAND_KEY_LIST (or MUSTER_COMMAND_KEY_LIST_FILE) of every command service. No secret; keep it for the next one.',
    `version ${version}`,
    ...keys.map(
      ({ kid, exp }) => `  key      ${kid}${exp === undefined ? '' : ` until ${new Date(exp * 1_000).toISOString()}`}`,
    ),
    ...retired.map((kid) => `  retired  ${kid}`),
  ];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw usageError(`${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
  }
}

function parseDate(text: string): number {
  // Date.parse alone accepts many texts that are not meant as dates.
  const atMs = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('a date such as 2027-06-30 or 2027-06-30T12:00:00Z');
  return atMs;
}
