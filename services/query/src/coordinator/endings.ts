import type { StopReason } from '@muster/messages';
import type { QueryState } from '@muster/records';
import { INTERRUPTED } from '@muster/service-base';

/** How a query ends, and the code and message of endpoints that had not answered by then. */
export interface Ending {
  readonly state: Exclude<QueryState, 'running'>;
  readonly stop: StopReason;
  readonly code: string;
  readonly message: string;
}

export const ENDINGS = {
  settled: { state: 'complete', stop: 'complete', code: 'deadline', message: 'no answer before the deadline' },
  deadline: { state: 'complete', stop: 'deadline', code: 'deadline', message: 'no answer before the deadline' },
  cancelled: {
    state: 'cancelled',
    stop: 'cancelled',
    code: 'cancelled',
    message: 'the query was cancelled before it answered',
  },
  interrupted: { state: 'interrupted', stop: 'interrupted', ...INTERRUPTED },
} as const satisfies Record<string, Ending>;
export type EndingKind = keyof typeof ENDINGS;
