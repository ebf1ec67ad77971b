import { deflateRawSync } from 'node:zlib';
import type { StreamStore } from '@muster/bus';
import { readPack } from '@muster/packs';
import { encodeChecks } from '@muster/packs/checks';
import { encodePosture, STREAM_SUBJECTS, type PackRecord, type ScheduleRecord } from '@muster/records';
import type { SchedulePlan } from '../plans/plan.js';
import { EPOCH_MS } from '../world/world.js';
import { ORG } from './identities.js';

const TEXT = `kind: muster/pack
format: 1
id: simulated
version: 1.0.0
title: One check
description: What endpoints of a simulated world answer.
license: Same as Muster
checks:
  - id: a-check
    title: Nothing is found
    severity: high
    platforms: [linux]
    sql: SELECT 1 AS value
    row_means: fail
    evidence: [value]
    remediation: None.
`;
const PERSON = { id: 'op', name: 'Op' } as const;

/**
 * The pack that all schedules run, as it was applied when time began. Its signature is nothing that endpoints of a
 * simulated world look at.
 */
const PACK: PackRecord = (() => {
  const read = readPack(TEXT);
  if (!read.ok) throw new Error(`not a pack: ${JSON.stringify(read)}`);
  const { id, version, title, checks } = read.pack;
  const { bytes, hash } = encodeChecks(checks);
  const text = new Uint8Array(deflateRawSync(TEXT));
  const signed = { hash, checks: checks.length, jws: 'a.b.c', keys: 'd.e.f' };
  return { id, version, title, ...signed, org: ORG, text, bytes, by: PERSON, atMs: EPOCH_MS };
})();

/**
 * Keeps the pack and these schedules, as posture services do when people order it: the first moment is soon, then there
 * is one each minute.
 */
export async function keepSchedules(streams: StreamStore, schedules: readonly SchedulePlan[]): Promise<void> {
  if (schedules.length === 0) return;
  await streams.append(STREAM_SUBJECTS.pack(ORG, PACK.id), encodePosture(PACK));
  for (const [index, { atMs, timeoutMs, detail }] of schedules.entries()) {
    const dueMs = EPOCH_MS + Math.floor(atMs);
    const record: ScheduleRecord = {
      ...{ kind: 'schedule', id: `schaaaaaaaaaaaa${'abc'[index] ?? 'z'}`, org: ORG, name: `schedule ${index + 1}` },
      ...{ pack: PACK.id, selector: '', bound: '', scope: '', cron: '* * * * *', timeZone: 'UTC', jitterMs: 0 },
      ...{ timeoutMs, detail, by: PERSON, createdAtMs: EPOCH_MS, changedBy: PERSON, changedAtMs: EPOCH_MS },
      ...{ state: 'active', next: { dueMs, atMs: dueMs }, firings: [] },
    };
    await streams.append(STREAM_SUBJECTS.schedule(ORG, record.id), encodePosture(record));
  }
}
