import type { PlantedFault } from './planted-fault.js';
import { PROGRAM_FAULTS } from './program-faults.js';
import { RESULT_FAULTS } from './result-faults.js';

const RUNNING_QUERY = 'services/query/dist/coordinator/running-query.js';
const COORDINATOR = 'services/query/dist/coordinator/query-coordinator.js';
const AGGREGATOR = 'services/query/dist/aggregation/result-aggregator.js';
const DETECTOR = 'services/query/dist/liveness/gateway-failure-detector.js';
const SCHEDULER = 'services/posture/dist/schedules/scheduler.js';
const QUERY_HANDLER = 'services/gateway/dist/capabilities/queries/query-handler.js';

/** Faults that were made on purpose, or were found once and mended. A simulation that does not find them proves nothing. */
export const PLANTED: readonly PlantedFault[] = [
  {
    name: 'a fence that was dropped: results are written whoever wrote before',
    edits: [
      {
        file: 'services/query/dist/results/result-writer.js',
        is: 'expectLastSubjectSeq: this.#seq, msgId:',
        was: 'msgId:',
      },
    ],
  },
  {
    name: 'a report is acknowledged before its outcome is in the journal',
    edits: [
      {
        file: 'services/command/dist/reports/outcome-writer.js',
        is: 'const result = await writer.append(batch.command',
        was: 'for (const { received, state } of part) if (isTerminal(state)) this.#options.acks.add(received);\nconst result = await writer.append(batch.command',
      },
    ],
  },
  {
    name: 'an answer counts although another gateway was believed already',
    edits: [
      {
        file: AGGREGATOR,
        is: 'this.ledger.settleAnswered(gateway, num, hasRows);',
        was: '(this.ledger.settleAnswered(gateway, num, hasRows), true);',
      },
    ],
  },
  {
    name: 'a gateway does not notice that it stood still past its lease',
    edits: [
      {
        file: 'services/gateway/dist/foundation/gateway-identity.js',
        is: 'if (gapMs <= this.leaseMs)',
        was: 'if (gapMs >= 0)',
      },
      {
        file: 'services/gateway/dist/sessions/registration/lease-renewer.js',
        is: 'async #renewOnce() {',
        was: 'async #renewOnce() {\nif (this.#generation !== undefined) return;',
      },
    ],
  },
  {
    name: 'after a fence a gateway takes no query from the heartbeat of its coordinator',
    edits: [
      { file: QUERY_HANDLER, is: 'fenced() {', was: 'fenced() {\n        this.isDeaf = true;' },
      { file: QUERY_HANDLER, is: 'this.#heard(heartbeat);', was: 'if (!this.isDeaf) this.#heard(heartbeat);' },
    ],
  },
  {
    name: 'a service that does not hear yet is certain of all gateways: nobody is expected',
    edits: [
      {
        file: RUNNING_QUERY,
        is: 'if (!this.#aggregator.settled || !this.#certain)',
        was: 'if (!this.#aggregator.settled)',
      },
    ],
  },
  {
    name: 'endpoints of a gateway that says nothing are not looked for, and are called offline',
    edits: [{ file: RUNNING_QUERY, is: 'this.#survey.isDue ||= !this.#aggregator.speaks(gateway);', was: '' }],
  },
  {
    name: 'whom a gateway held is believed as it last said it, whoever came after that',
    edits: [
      {
        file: 'services/query/dist/liveness/held-sessions.js',
        is: 'gateway.heardMs >= atMs + ANNOUNCED_MS',
        was: 'gateway.heardMs >= 0',
      },
    ],
  },
  {
    name: 'who has not answered when time is over is told as gone',
    edits: [
      {
        file: 'services/gateway/dist/capabilities/queries/active-query.js',
        is: "this.#fail(asked, 'timed_out', { code: 'deadline', message: `${polls}",
        was: "this.#fail(asked, 'disconnected', { code: 'deadline', message: `${polls}",
      },
    ],
  },
  {
    name: 'an answer that came with a poll is forgotten at its gateway',
    edits: [
      {
        file: 'services/gateway/dist/capabilities/queries/active-query.js',
        is: '#complete(asked, body) {',
        was: "#complete(asked, body) {\n        if (asked.session.mode === 'poll' && this.start.pack === undefined) return;",
      },
    ],
  },
  {
    name: 'the ledger of an event counts what is not written yet',
    edits: [
      {
        file: 'services/query/dist/coordinator/next-result-event.js',
        is: 'ledger: aggregator.writtenLedger',
        was: 'ledger: ledger.snapshot()',
      },
    ],
  },
  {
    name: 'who ends the query of another takes the ledger of its record, not of its results',
    edits: [
      {
        file: 'shared/service-base/dist/queries/interrupt-orphan.js',
        is: 'ledger: settled(result.ledger)',
        was: 'ledger: settled(query.ledger)',
      },
    ],
  },
  {
    name: 'an audit record that could not be stored is not stored again',
    edits: [
      {
        file: 'services/command/dist/journal/org-audit.js',
        is: 'if (failed !== undefined)\n            throw failed;',
        was: '',
      },
    ],
  },
  {
    name: 'a launch waits for the registry for as long as that does not answer',
    edits: [
      {
        file: COORDINATOR,
        is: 'query.begin();',
        was: 'while (!(await this.#options.detector.registryAnswers())) await new Promise((resolve) => setTimeout(resolve, 100));\n        query.begin();',
      },
      {
        file: DETECTOR,
        is: '    known() {',
        was: "    async registryAnswers() {\n        return (await this.#options.registry.gateways()).kind === 'gateways';\n    }\n    known() {",
      },
    ],
  },
  {
    name: 'an idempotency key stays taken although the answer was no',
    edits: [
      {
        file: 'services/api/dist/http/idempotency.js',
        is: "return call === 'ended' || (call === 'unknown' && onceBy === 'query_id' && queryId !== undefined);",
        was: 'return false;',
      },
      {
        file: 'services/api/dist/http/idempotency.js',
        is: "await this.#keep(subject, call.onceBy === 'query_id' ? { ...free, queryId } : free, seq, call.ends);",
        was: '',
      },
    ],
  },
  {
    name: 'an order that an endpoint had accepted is not offered again when it is back',
    edits: [
      {
        file: 'services/command/dist/reconcile/reconcile-steps.js',
        is: 'if (isKnown && !isCancelled && !reconciled.toOffer.has(target))',
        was: 'if (isKnown && !isCancelled)',
      },
    ],
  },
  {
    name: 'time counts against endpoints in which nobody could hear them',
    edits: [
      {
        file: 'services/command/dist/command-service.js',
        is: 'hearsForMs: () => Math.min(services.hearsForMs, keepTimes.forMs, clock.steadyForMs)',
        was: 'hearsForMs: () => Number.POSITIVE_INFINITY',
      },
    ],
  },
  {
    name: 'the end is written before the rows that are still due',
    edits: [
      {
        file: RUNNING_QUERY,
        is: 'this.#scheduler.finish();\n        await this.#writer.idle();',
        was: 'this.#scheduler.finish();',
      },
    ],
  },
  {
    name: 'nobody ends the queries of a coordinator that is gone',
    edits: [
      {
        file: 'shared/service-base/dist/queries/orphan-reaper.js',
        is: 'start() {',
        was: 'start() {\n        return;',
      },
    ],
  },
  {
    name: 'a gateway counts as having said whom it asks although that report was lost',
    edits: [{ file: AGGREGATOR, is: 'if (sequenced.updates.some(isFirst))', was: 'if (sequenced.updates.length > 0)' }],
  },
  {
    name: 'leases in a registry that was just emptied are taken for all gateways',
    edits: [
      {
        file: DETECTOR,
        is: 'certain: (this.#options.hearing.forMs ?? 0) >= HEARD_ALL_MS',
        was: 'certain: this.#hasReadLeases || (this.#options.hearing.forMs ?? 0) >= HEARD_ALL_MS',
      },
    ],
  },
  {
    name: 'nobody settles the targets of which nothing is heard',
    edits: [
      {
        file: 'services/command/dist/reconcile/command-reconciler.js',
        is: 'start() {',
        was: 'start() {\n        return;',
      },
    ],
  },
  {
    name: 'an approval is told before it is in the journal',
    edits: [
      {
        file: 'services/command/dist/requests/manage-commands.js',
        is: 'const entry = await this.#signed(command, caller);\n        await this.#append(command, entry);',
        was: 'const entry = await this.#signed(command, caller);\n        void this.#append(command, entry).catch(() => undefined);\n        return this.#reply(org, id, false);',
      },
    ],
  },
  {
    name: 'a change of channel is decided and the endpoint is not told',
    edits: [
      {
        file: 'services/gateway/dist/capabilities/modes/mode-handler.js',
        is: 'this.#assigner.review(session);\n            },',
        was: '{}\n            },',
      },
    ],
  },
  {
    name: 'every session is registered as Live',
    edits: [
      {
        file: 'services/gateway/dist/sessions/registration/registration-queue.js',
        is: 'instance, mode, epochHint, connectedAtMs },',
        was: "instance, mode: 'live', epochHint, connectedAtMs },",
      },
    ],
  },
  {
    name: 'frames for one that polls are forgotten when they are fetched, not when they have arrived',
    edits: [
      {
        file: 'services/gateway/dist/edge/poll/poll-connection.js',
        is: "return { kind: 'frames', upTo, batch: encodeBatch(frames), hasMore: frames.length < this.#outbox.length };",
        was: "const left = this.#outbox.length - frames.length;\nthis.acknowledge(upTo);\nreturn { kind: 'frames', upTo, batch: encodeBatch(frames), hasMore: left > 0 };",
      },
    ],
  },
  {
    name: 'a poll is not passed on to the gateway that holds its session',
    edits: [
      {
        file: 'services/gateway/dist/edge/poll/poll-handler.js',
        is: 'if (isHere || holder === this.#options.identity.id)',
        was: 'if (this !== undefined)',
      },
    ],
  },
  {
    name: 'a posture service that loses the claim of a moment starts a scan all the same',
    edits: [
      {
        file: SCHEDULER,
        is: 'if (!(await schedules.write(schedule, seq)))\n            return;',
        was: 'await schedules.write(schedule, seq);',
      },
    ],
  },
  {
    name: 'a schedule is claimed as it was when the one before was looked at',
    edits: [
      { file: SCHEDULER, is: 'const kept = this.#options.schedules.kept({ org, id });', was: '' },
      {
        file: SCHEDULER,
        is: 'async #lookAt({ org, id }, nowMs) {',
        was: 'async #lookAt(record, nowMs) {\nconst now = this.#options.schedules.kept(record);\nconst kept = now && { record, seq: now.seq };',
      },
    ],
  },
  {
    name: 'who takes a claim over does not look whether its scan has begun, and starts another one',
    edits: [
      { file: SCHEDULER, is: 'if (atMs !== undefined)', was: 'if (atMs === 0)' },
      {
        file: SCHEDULER,
        is: 'claim: { ...claim, atMs: nowMs }',
        was: 'claim: { ...claim, scan: newQueryId(nowMs), atMs: nowMs }',
      },
    ],
  },
  {
    name: 'nobody takes over the claim of a posture service that is gone',
    edits: [{ file: SCHEDULER, is: 'nowMs - schedule.claim.atMs > CLAIM_MS', was: 'nowMs < schedule.claim.atMs' }],
  },
  {
    name: 'what a scan found is kept before it has ended',
    edits: [{ file: 'services/posture/dist/scans/scan-recorder.js', is: "record.state === 'running' || ", was: '' }],
  },
  {
    name: 'an endpoint leaves its session before the next one is ready',
    isHandOver: true,
    edits: [
      {
        file: 'services/agent/dist/sessions/connection-manager.js',
        is: 'this.#isStale = false;\n        this.#connectedAtMs',
        was: "this.#isStale = false;\n        this.#leaveSession('moved');\n        this.#connectedAtMs",
      },
    ],
  },
  {
    name: 'a gateway that was fenced keeps its sessions',
    isHandOver: true,
    edits: [{ file: 'services/gateway/dist/sessions/session-manager.js', is: "this.endAll('fenced');", was: '' }],
  },
  {
    name: 'a registration that takes effect late takes the good session of its endpoint out of the registry',
    isHandOver: true,
    edits: [
      {
        file: 'services/gateway/dist/sessions/registration/registration-queue.js',
        is: 'this.#displaceFormer(session, previous);',
        was: '',
      },
    ],
  },
  ...RESULT_FAULTS,
  ...PROGRAM_FAULTS,
];
