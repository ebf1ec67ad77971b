import { isQueryId, LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { agentIdList, agentIdText, duration, reading, reasonText, selectorText } from './fields.js';

/** A command as callers request it, or the undo of one. The server checks parameters and rows against the action afterwards. */

const { commandExpiryMinMs, commandExpiryMaxMs, commandExpiryDefaultMs, commandTimeoutMaxMs } = LIMITS;

/** How long the answer may wait for the outcome. */
export const waitQuerySchema = z.strictObject({
  wait: duration(
    0,
    LIMITS.commandWaitMaxMs,
    'bad_timeout',
    'Answer when the command has ended, or after so long, whichever comes first; without it at once.',
  ).optional(),
});

const reason = reasonText.optional().meta({ description: 'Why, for whoever approves and for the audit record.' });

const expiresIn = duration(
  commandExpiryMinMs,
  commandExpiryMaxMs,
  'bad_timeout',
  'How long it may wait for an absent endpoint: `24h`, or milliseconds. Default 24 hours.',
).default(commandExpiryDefaultMs);

const dryRun = z.boolean().default(false).meta({ description: 'Say what would be done, and change nothing.' });

export type RequestTarget =
  | { readonly selector: string }
  | { readonly agentIds: readonly string[] }
  | { readonly rows: readonly RequestRow[] }
  | { readonly query: string };

export interface RequestRow {
  readonly agentId: string;
  readonly row: Readonly<Record<string, unknown>>;
}

const requestTargetSchema = z
  .strictObject({
    selector: selectorText.optional(),
    agentIds: agentIdList.optional(),
    rows: z
      .array(z.strictObject({ agentId: agentIdText, row: z.record(z.string(), z.unknown()) }))
      .min(1)
      .max(LIMITS.commandRows)
      .optional()
      .meta({
        description: 'The action is bound to each row: an endpoint where the row is no longer true refuses it.',
      }),
    query: z
      .string()
      .refine((text): boolean => isQueryId(text), 'is not the id of a query')
      .optional()
      .meta({ description: 'The rows of a query that was asked in mode `raw` and has ended.' }),
  })
  .transform((given, context): RequestTarget => {
    const { selector, agentIds, rows, query } = given;
    if ([selector, agentIds, rows, query].filter((member) => member !== undefined).length !== 1) {
      context.issues.push({
        code: 'custom',
        message: 'give exactly one of selector, agentIds, rows, query; the empty selector means all',
        input: given,
      });
    }
    if (agentIds !== undefined) return { agentIds };
    if (rows !== undefined) return { rows };
    return query === undefined ? { selector: selector ?? '' } : { query };
  })
  .meta({ description: 'Which endpoints; exactly one of its members.' });

export interface Rollout {
  /** Targets to begin with. */
  readonly canary: number;
  /** Targets per step: a number, or a share. */
  readonly step: number | `${number}%`;
  readonly pauseMs: number;
  /** Share of settled targets, 0 to 1, that may fail. */
  readonly abortOver: number;
}

const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= LIMITS.commandTargets;

function readStep(given: unknown): Rollout['step'] | undefined {
  if (isCount(given)) return given;
  return typeof given === 'string' && /^([1-9]\d?|100)%$/.test(given) ? (given as `${number}%`) : undefined;
}

function readShare(given: unknown): number | undefined {
  const share =
    typeof given === 'string' && /^\d{1,3}(\.\d{1,3})?%$/.test(given) ? Number(given.slice(0, -1)) / 100 : given;
  return typeof share === 'number' && share >= 0 && share <= 1 ? share : undefined;
}

const DAY_MS = 24 * 3_600_000;
const code = 'bad_rollout';
const rolloutSchema = z
  .strictObject({
    canary: reading({
      read: (given) => (isCount(given) ? given : undefined),
      message: `must be a whole number from 1 to ${LIMITS.commandTargets}`,
      code,
      json: { type: 'integer', description: 'Targets to begin with; default 1.' },
    }).default(1),
    step: reading({
      read: readStep,
      message: 'must be a number of targets, or a share from 1% to 100%',
      code,
      json: { type: ['integer', 'string'], description: 'Targets per step: a number, or a share; default `10%`.' },
    }).default('10%'),
    pause: duration(0, DAY_MS, code, 'Between steps; default `30s`.').default(30_000),
    abortOver: reading({
      read: readShare,
      message: 'must be a share from 0% to 100%, or 0 to 1',
      code,
      json: {
        type: ['number', 'string'],
        description: 'Nothing more starts when more of the settled targets than this have failed; default `5%`.',
      },
    }).default(0.05),
  })
  .transform(({ pause, ...rest }): Rollout => ({ ...rest, pauseMs: pause }));

export const commandRequestSchema = z.strictObject({
  action: z.string().min(1).max(64).meta({ description: 'A name of `/v1/actions`.' }),
  params: z.record(z.string(), z.unknown()).default({}).meta({ description: 'As the action describes them.' }),
  target: requestTargetSchema,
  dryRun,
  expiresIn,
  timeout: duration(
    1_000,
    commandTimeoutMaxMs,
    'bad_timeout',
    'How long it may run on one endpoint; each action has its own default.',
  ).optional(),
  rollout: rolloutSchema.optional(),
  reason,
});
export type CommandRequest = z.output<typeof commandRequestSchema>;

export const undoRequestSchema = z.strictObject({ dryRun, expiresIn, reason }).default({
  dryRun: false,
  expiresIn: commandExpiryDefaultMs,
});
