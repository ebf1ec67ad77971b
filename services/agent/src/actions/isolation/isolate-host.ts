import { durationMs } from '@muster/actions';
import type { ActionCall, ActionImplementations, ActionResult, JsonValue } from '../contract/action.js';
import { refused, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import { settle } from '../contract/settle.js';
import { type Isolation, withIsolation } from './isolation.js';
import { readState, type IsolationState } from './isolation-state.js';
import { formatNetworkAddress } from './network-address.js';
import type { AllowList } from './allow-list.js';

type Work = (call: ActionCall, isolation: Isolation, kept: JsonValue) => Promise<ActionResult>;

const exclusively =
  (work: Work) =>
  (call: ActionCall, kept: JsonValue = null): Promise<ActionResult> =>
    settle(call, () => withIsolation(call.host, (isolation) => work(call, isolation, kept)));

/** `host.isolate` and `host.release` on every platform. */
export const ISOLATION_ACTIONS: ActionImplementations = {
  'host.isolate': { run: exclusively(isolate), undo: exclusively(undo) },
  'host.release': { run: exclusively(release) },
};

async function isolate(call: ActionCall, isolation: Isolation): Promise<ActionResult> {
  const unavailable = await isolation.firewall.unavailableReason();
  if (unavailable !== undefined) return unsupported('no_firewall', unavailable);
  const previous = activeIsolation(call, isolation);
  const state = desiredState(call, previous);
  const allowList = await isolation.allowList(state.allow);
  const until = new Date(state.releaseAtMs).toISOString();
  const cut = `cut the network but for ${describeAllowList(allowList)}`;
  const end = `itself at ${until} (UTC)${previous === undefined ? '' : ', which prolongs the isolation in force'}`;
  if (call.dryRun) return wouldDo(`would isolate this host until ${until}`, [cut, `release ${end}`]);
  await call.keepUndo({ previous: previous === undefined ? null : { ...previous } });
  call.signal.throwIfAborted();
  const seen = await isolation.enforce(state, allowList);
  return succeeded(`isolated until ${until}`, [cut, `releases ${end}`, ...(seen === undefined ? [] : [seen])]);
}

async function release(call: ActionCall, isolation: Isolation): Promise<ActionResult> {
  if (call.dryRun) {
    return isolation.current() === undefined
      ? unchanged('this host is not isolated')
      : wouldDo('would release this host', ['open the network again']);
  }
  if (!(await isolation.end())) return unchanged('this host is not isolated');
  return succeeded('released', ['opened the network again']);
}

/**
 * Releases the host, or restores the previous isolation if its time is not over. Refuses when another command has
 * isolated the host since.
 */
async function undo(call: ActionCall, isolation: Isolation, kept: JsonValue): Promise<ActionResult> {
  const now = isolation.current();
  if (now === undefined) return unchanged('this host is not isolated any more');
  const original = originalOf(call);
  if (now.command !== original.command || now.number !== original.number) {
    return refused('superseded', `this host was isolated again since, by command ${now.command}`);
  }
  const previous =
    typeof kept === 'object' && kept !== null && 'previous' in kept ? readState(kept.previous) : undefined;
  if (previous === undefined || previous.releaseAtMs <= call.host.clock.now()) return release(call, isolation);
  const until = new Date(previous.releaseAtMs).toISOString();
  const effect = `go back to the isolation of command ${previous.command}, until ${until} (UTC)`;
  if (call.dryRun) return wouldDo('would undo the extension', [effect]);
  await isolation.enforce(previous, await isolation.allowList(previous.allow));
  return succeeded('undid the extension', [effect]);
}

/** An undo is a command of its own. Its parameters name the original command, and its binding has the number of the target there. */
function originalOf({ params, binding, number }: ActionCall): { command: unknown; number: number } {
  return { command: params['command'], number: Number(binding?.['target'] ?? number) };
}

const HOUR_MS = 3_600_000;

/** The latest end applies: a second isolation never shortens the first. */
function desiredState(call: ActionCall, previous: IsolationState | undefined): IsolationState {
  const { params, host, id, number } = call;
  const after = params['releaseAfter'];
  const lastsMs = (typeof after === 'number' || typeof after === 'string' ? durationMs(after) : undefined) ?? HOUR_MS;
  const now = host.clock.now();
  const releaseAtMs = Math.max(now + lastsMs, previous?.releaseAtMs ?? 0);
  const allow = params['allow'];
  return { command: id, number, releaseAtMs, lastsMs: releaseAtMs - now, allow: Array.isArray(allow) ? allow : [] };
}

function activeIsolation({ host }: ActionCall, isolation: Isolation): IsolationState | undefined {
  const state = isolation.current();
  return state !== undefined && state.releaseAtMs > host.clock.now() ? state : undefined;
}

function describeAllowList({ gateways, resolvers, allowed }: AllowList): string {
  const list = [
    ...gateways.map(
      ({ address, port }) => `${address.family === 6 ? `[${address.address}]` : address.address}:${port}`,
    ),
    ...resolvers.map(({ address }) => `domain server ${address}`),
    ...allowed.map(formatNetworkAddress),
  ];
  return list.length === 0 ? 'this machine itself, where its gateway is' : list.join(', ');
}
