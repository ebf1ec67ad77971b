import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { AGENT, CommandEndpoint } from '../../testing/command-endpoint.js';
import { CommandIssuer } from '../../testing/command-issuer.js';
import { parseRoots, parseRootsText } from '../../identity/command-roots.js';
import { CommandTrust } from './command-trust.js';

let folder: string;
let issuer: CommandIssuer;
const clock = new FakeClock();
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-trust-'));
  issuer = await CommandIssuer.create(() => clock.now());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (roots?: readonly { kid: string; x: string }[]): CommandTrust =>
  CommandTrust.open({ folder, roots, clock, logger: silentLogger });

describe('trust in commands', () => {
  test('is pinned once, and stays through restarts', async () => {
    const foreignIssuer = await CommandIssuer.create(() => clock.now());
    expect(open().hasRoots).toBe(false);
    expect(open().pin(issuer.roots)).toBe(true);
    const later = open();
    expect([later.hasRoots, later.pin(foreignIssuer.roots), later.pin(issuer.roots)]).toEqual([true, false, false]);
    later.acceptKeys(foreignIssuer.keyList(9));
    expect(later.version).toBe(0);
    later.acceptKeys(issuer.keyList(2));
    expect(later.version).toBe(2);
  });

  test('the highest version and its list are kept', () => {
    open(issuer.roots).acceptKeys(issuer.keyList(5));
    const later = open();
    const [body] = issuer.issue({ targets: [AGENT] });
    expect(later.verify(body!.jws).ok).toBe(true);
    later.acceptKeys(issuer.keyList(4));
    expect(later.version).toBe(5);
  });

  test('configured roots replace pinned ones, and start with their own versions', async () => {
    const before = open(issuer.roots);
    before.acceptKeys(issuer.keyList(7));
    const other = await CommandIssuer.create(() => clock.now());
    const after = open(other.roots);
    after.acceptKeys(issuer.keyList(8));
    expect(after.version).toBe(0);
    after.acceptKeys(other.keyList(1));
    expect(after.version).toBe(1);
    expect(open(other.roots).version).toBe(1);
  });

  test('a file that cannot be read stops the agent', () => {
    writeFileSync(join(folder, 'command-trust.json'), '{"roots":');
    expect(() => open()).toThrow('cannot be read');
  });

  test('no command starts while a newer list cannot be stored', async () => {
    const agent = new CommandEndpoint({ folder, clock, roots: issuer.roots });
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    agent.trust.acceptKeys(issuer.keyList(3));
    expect(agent.trust.ensureStored()).toBe(false);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    expect(agent.trust.ensureStored()).toBe(true);
    expect(open().version).toBe(3);
    await agent.runner.stop();
  });

  test.each([
    ['{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}', 1],
    // A point of small order, for which anybody can sign.
    ['{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"' + 'A'.repeat(43) + '"}]}', undefined],
    ['{"keys":[]}', undefined],
    ['{"keys":[{"kid":"a","x":"short"}]}', undefined],
    ['nonsense', undefined],
  ])('of %s the roots are read, or it is none', (text, count) => {
    expect(parseRootsText(text)?.length).toBe(count);
  });

  test('an enrolment without trust names no roots', () => {
    expect(parseRoots(undefined)).toBeUndefined();
  });
});
