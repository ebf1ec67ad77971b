import { search, type Searched, type Step } from '../search/search.js';
import { checkHandOver } from './promises.js';
import { GATEWAYS, HandOver, takeTurns } from './hand-over.js';
import { keyOf } from './key.js';

/** What may happen to the system, and how often in all. */
export interface HandOverSearch {
  readonly faults: readonly string[];
  readonly most: number;
  /** One, or two. */
  readonly endpoints: number;
}

const ENDPOINTS = 2;

const WIRES = 3;

/** Every state of the sessions of endpoints at three gateways that any order of what is under way can make. */
export function searchHandOver({ faults, most, endpoints }: HandOverSearch): Searched {
  const putBack = takeTurns();
  const may = (name: string): boolean => faults.some((fault) => name.includes(fault));
  const steps = [...ordinary(), ...disturbances(most).filter(({ name }) => may(name))];
  try {
    return search<HandOver>({
      begin: () => begin(endpoints),
      steps,
      key: keyOf,
      check: (state) => checkHandOver(state, ordinarySteps),
    });
  } finally {
    putBack();
  }
}

/** Each endpoint has a session, at a gateway of its own. */
function begin(endpoints: number): HandOver {
  const state = new HandOver(endpoints);
  for (const [i, endpoint] of state.endpoints.entries()) {
    const gateway = state.gateways[i];
    if (gateway !== undefined) state.step(() => state.letIn(endpoint, gateway));
  }
  for (let next = firstOf(state); next !== undefined; next = firstOf(state)) next.run(state);
  return state;
}

const firstOf = (state: HandOver): Step<HandOver> | undefined => ordinarySteps.find(({ can }) => can?.(state) === true);

interface Move {
  readonly can: (state: HandOver) => boolean;
  readonly run: (state: HandOver) => void;
}

const named = (name: string, { can, run }: Move): Step<HandOver> => ({
  ...{ name, can },
  run: (state) => state.step(() => run(state)),
});
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** What goes on of itself. */
function ordinary(): Step<HandOver>[] {
  return [
    ...numbers(ENDPOINTS).flatMap((e) => [
      named(`the time of e${e + 1} has come`, {
        can: ({ endpoints }) => endpoints[e]?.clock.hasTimer === true,
        run: ({ endpoints }) => endpoints[e]?.clock.fire(),
      }),
      ...numbers(GATEWAYS).map((g) =>
        named(`e${e + 1} is let in at g${g + 1}`, {
          can: ({ endpoints }) => endpoints[e]?.wires.some(({ isDialing }) => isDialing) === true,
          run: (state) => {
            const [endpoint, gateway] = [state.endpoints[e], state.gateways[g]];
            if (endpoint !== undefined && gateway !== undefined) state.letIn(endpoint, gateway);
          },
        }),
      ),
      ...numbers(WIRES).flatMap((w) =>
        (['toGateway', 'toEndpoint'] as const).map((way) =>
          named(`the next on connection ${w + 1} of e${e + 1} arrives ${way}`, {
            can: ({ endpoints }) => (endpoints[e]?.wires[w]?.[way].length ?? 0) > 0,
            run: ({ endpoints }) => endpoints[e]?.wires[w]?.[way].shift()?.arrive(),
          }),
        ),
      ),
    ]),
    ...numbers(GATEWAYS).flatMap((g) => [
      named(`the registry does what g${g + 1} asked`, {
        can: ({ gateways }) => gateways[g]?.registry.canAct === true,
        run: ({ gateways }) => gateways[g]?.registry.act(),
      }),
      named(`the registry answers g${g + 1}`, {
        can: ({ gateways }) => gateways[g]?.registry.canAnswer === true,
        run: ({ gateways }) => gateways[g]?.registry.answer(),
      }),
      named(`a message arrives at g${g + 1}`, {
        can: ({ gateways }) => (gateways[g]?.mail.length ?? 0) > 0,
        run: ({ gateways }) => gateways[g]?.receive(),
      }),
      named(`g${g + 1} notices the time`, {
        can: ({ gateways }) => gateways[g]?.isFrozen === true,
        run: ({ gateways }) => gateways[g]?.tick(),
      }),
      named(`g${g + 1} renews its lease`, {
        can: ({ gateways }) => gateways[g]?.canRenew === true,
        run: ({ gateways }) => gateways[g]?.renew(),
      }),
      named(`g${g + 1} stops`, {
        can: ({ gateways }) => gateways[g]?.canStop === true,
        run: ({ gateways }) => gateways[g]?.stop(),
      }),
    ]),
  ];
}

const ordinarySteps = ordinary();

/** What somebody does, or what breaks: at most so often in all. */
function disturbances(most: number): Step<HandOver>[] {
  const disturbed = (name: string, { can, run }: Move): Step<HandOver> =>
    named(name, {
      can: (state) => state.faults.length < most && can(state),
      run: (state) => {
        state.faults.push(name);
        run(state);
      },
    });
  const gateway = (g: number, what: string, act: (state: HandOver, of: HandOver['gateways'][number]) => void) =>
    disturbed(`g${g + 1} ${what}`, {
      can: ({ gateways }) => gateways[g]?.canBeDisturbed === true,
      run: (state) => {
        const of = state.gateways[g];
        if (of !== undefined) act(state, of);
      },
    });
  return [
    ...numbers(GATEWAYS).flatMap((g) => [
      gateway(g, 'drains', (_state, of) => of.drain()),
      gateway(g, 'stands still past its lease', (state, of) => state.freeze(of)),
      gateway(g, 'is not believed any more', (state, of) => state.lapse(of)),
    ]),
    ...numbers(ENDPOINTS).flatMap((e) => [
      disturbed(`e${e + 1} has something new to tell`, {
        can: ({ endpoints }) => endpoints[e]?.session !== undefined && !endpoints[e].isStale,
        run: ({ endpoints }) => endpoints[e]?.renew(),
      }),
      disturbed(`e${e + 1} loses its connection`, {
        can: ({ endpoints }) => endpoints[e]?.session?.isWhole === true,
        run: ({ endpoints }) => endpoints[e]?.session?.cut(),
      }),
    ]),
    ...numbers(ENDPOINTS).flatMap((e) =>
      numbers(WIRES).map((w) =>
        disturbed(`e${e + 1} gives up connection ${w + 1} before it is ready`, {
          can: ({ endpoints }) => {
            const wire = endpoints[e]?.wires[w];
            return wire !== undefined && wire !== endpoints[e]?.session && wire.isWhole;
          },
          run: ({ endpoints }) => endpoints[e]?.wires[w]?.giveUp(),
        }),
      ),
    ),
    disturbed('the registry loses its data', { can: () => true, run: (state) => state.emptyRegistry() }),
  ];
}
