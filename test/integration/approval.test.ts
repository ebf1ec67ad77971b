import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient } from '@muster/api-client';
import { muster } from '../kit/cli.js';
import { DocumentAgent } from '../kit/document-agent.js';
import { startHarness, type Harness } from '../kit/harness.js';

const packText = (sql: string, id = 'own'): string => `kind: muster/pack
format: 1
id: ${id}
version: 1.0.0
title: Own
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: ${sql}, row_means: fail }
`;

/** The attacker is an admin. All services are real; the endpoint is enrolled and stays away, so that nothing runs. */
describe('the two-person rule', () => {
  let harness: Harness;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-approval-'));
    const policy = {
      approval: [{ actions: ['dns.*'] }, { actions: ['arp.*'], independent: true }],
      packs: { approval: true },
    };
    await writeFile(join(folder, 'policy.json'), JSON.stringify(policy));
    harness = await startHarness({
      postures: 1,
      env: { command: { MUSTER_COMMAND_POLICY_FILE: join(folder, 'policy.json') } },
    });
    const host = harness.stack.gateways[0]?.url.replace('ws://', '') ?? '';
    await new DocumentAgent().enrol(host, harness.stack.org, harness.stack.enrollSecret);
  });
  afterAll(async () => {
    await harness.close();
    await rm(folder, { recursive: true, force: true });
  });

  const as = (token: string): ApiClient => new ApiClient({ url: harness.stack.apiUrl, token });
  /** A client with a token that `maker` mints under this name. */
  async function mint(maker: ApiClient, name: string, role: 'responder' | 'admin' = 'admin'): Promise<ApiClient> {
    const { token } = await maker.call('POST /v1/tokens', { body: { name, role } });
    return as(token ?? '');
  }
  async function order(by: ApiClient, action = 'dns.flush'): Promise<string> {
    const { id, status } = await by.call('POST /v1/commands', { body: { action, target: { selector: '' } } });
    expect(status).toBe('awaiting_approval');
    return id;
  }
  /** The status of the reply, and its code if it is a problem. */
  async function approval(by: ApiClient, id: string): Promise<readonly [number, string | undefined]> {
    const response = await by.fetch(`/v1/commands/${id}/approve`, { method: 'POST', body: {} });
    return [response.status, ((await response.json()) as { code?: string }).code];
  }
  const refused = [403, 'self_approval'] as const;
  const approved = [200, undefined] as const;

  it('is not passed by an admin under another name, in either direction', async () => {
    const admin = await mint(harness.api, 'Ann');
    const other = await mint(admin, 'Somebody else', 'responder');
    expect(await approval(other, await order(admin))).toEqual(refused);
    expect(await approval(admin, await order(other))).toEqual(refused);
  });

  it('holds for packs too: another admin approves the text that they have read, and both names are kept', async () => {
    const [ann, bob] = [await mint(harness.api, 'Pia'), await mint(harness.api, 'Quin')];
    const text = packText('SELECT 1');
    const waiting = await ann.call('POST /v1/packs', { body: { text } });
    if (!('digest' in waiting)) throw new Error('it does not wait');
    const approve = async (by: ApiClient, digest = waiting.digest) => {
      const response = await by.fetch('/v1/pack-proposals/own/approve', { method: 'POST', body: { digest } });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    await expect(bob.call('POST /v1/scans', { body: { pack: 'own' } })).rejects.toMatchObject({ code: 'not_found' });
    expect(await approve(ann)).toEqual(refused);
    expect(await approve(await mint(ann, 'Made by Pia'))).toEqual(refused);
    expect(await approve(await mint(harness.api, 'Rob', 'responder'))).toEqual([403, 'forbidden']);
    expect(await approve(bob, '0'.repeat(64))).toEqual([409, 'conflict']);
    const cli = await muster(harness, ['pack', 'waiting', '-o', 'json']);
    expect(JSON.parse(cli.stdout)).toMatchObject([{ id: 'own', requestedBy: { name: 'Pia' } }]);
    expect(await approve(bob)).toEqual(approved);
    expect(await ann.call('GET /v1/pack-proposals', {})).toEqual({ items: [] });
    expect(await ann.call('GET /v1/packs/{id}', { params: { id: 'own' } })).toMatchObject({
      ...{ text, appliedBy: { name: 'Pia' }, approvedBy: { name: 'Quin' } },
    });
    await bob.call('POST /v1/scans', { body: { pack: 'own' } });
    const { items } = await harness.api.call('GET /v1/audit', { query: { limit: 50 } });
    expect(
      items.filter(({ action }) => action === 'pack.approve').map(({ actorName, outcome }) => [actorName, outcome]),
    )
      // The newest first.
      .toEqual([
        ...[
          ['Quin', 'allowed'],
          ['Quin', 'refused'],
          ['Rob', 'refused'],
        ],
        ...[
          ['Made by Pia', 'refused'],
          ['Pia', 'refused'],
        ],
      ]);
    expect(items).toContainEqual(
      expect.objectContaining({
        ...{ action: 'pack.approve', subject: 'own', outcome: 'allowed' },
        details: expect.objectContaining({ requestedBy: expect.objectContaining({ name: 'Pia' }) }),
      }),
    );
  });

  it('lets a pack be rejected by another admin and withdrawn by who proposed it; then nobody approves it', async () => {
    const [ann, bob] = [await mint(harness.api, 'Una'), await mint(harness.api, 'Vic')];
    const propose = async (): Promise<string> => {
      const waiting = await ann.call('POST /v1/packs', { body: { text: packText('SELECT 1', 'other') } });
      return 'digest' in waiting ? waiting.digest : '';
    };
    const params = { id: 'other' };
    const code = async (call: Promise<unknown>) =>
      call.then(
        () => 'ok',
        (error: { code?: string }) => error.code,
      );
    const approve = (digest: string) =>
      code(bob.call('POST /v1/pack-proposals/{id}/approve', { params, body: { digest } }));
    for (const [by, withdrawn] of [
      [bob, false],
      [ann, true],
    ] as const) {
      const digest = await propose();
      await by.call('POST /v1/pack-proposals/{id}/reject', { params, body: { digest, reason: 'wrong' } });
      expect(await ann.call('GET /v1/pack-proposals', {})).toEqual({ items: [] });
      expect(await approve(digest)).toBe('not_found');
      const { items } = await harness.api.call('GET /v1/audit', { query: { action: 'pack.reject', limit: 1 } });
      expect(items).toMatchObject([
        { subject: 'other', outcome: 'allowed', details: { withdrawn, reason: 'wrong', requestedBy: { name: 'Una' } } },
      ]);
    }
    const mallory = await mint(harness.api, 'Wim', 'responder');
    const body = { digest: await propose() };
    expect(await code(mallory.call('POST /v1/pack-proposals/{id}/reject', { params, body }))).toBe('forbidden');
    // The same text was rejected before; it may be proposed and approved again.
    expect(await approve(body.digest)).toBe('ok');
    expect(await code(bob.call('POST /v1/pack-proposals/{id}/reject', { params, body }))).toBe('not_found');
    const cli = await muster(harness, ['pack', 'remove', 'other', '-y']);
    expect(cli).toMatchObject({ code: 0, stdout: 'other: removed\n' });
    expect(await code(bob.call('POST /v1/scans', { body: { pack: 'other' } }))).toBe('not_found');
  });

  it('is not passed with two tokens of one admin, nor with one that was made by what one made', async () => {
    const admin = await mint(harness.api, 'Bea');
    const [one, two] = [await mint(admin, 'One'), await mint(admin, 'Two')];
    const third = await mint(two, 'Three', 'responder');
    expect(await approval(two, await order(one))).toEqual(refused);
    expect(await approval(third, await order(one))).toEqual(refused);
    expect(await approval(third, await order(admin))).toEqual(refused);
  });

  it('is not passed with the bootstrap token and what it made', async () => {
    const cid = await mint(harness.api, 'Cid', 'responder');
    expect(await approval(cid, await order(harness.api))).toEqual(refused);
    expect(await approval(harness.api, await order(cid))).toEqual(refused);
  });

  it('is passed by two persons; where they must be independent, not when one origin made both', async () => {
    const [dan, eve] = [await mint(harness.api, 'Dan'), await mint(harness.api, 'Eve', 'responder')];
    expect(await approval(eve, await order(dan))).toEqual(approved);
    expect(await approval(eve, await order(dan, 'arp.flush'))).toEqual(refused);
  });
});
