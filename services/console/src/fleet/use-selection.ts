import type { AgentJson } from '@muster/api-contract';
import { useMemo, useRef, useState } from 'react';
import type { GridSelection } from '../grid/grid-column.js';

/** Endpoints that are selected, by id: they stay so when the list shows others. */
export function useSelection(agents: readonly AgentJson[]) {
  const [chosen, setChosen] = useState<ReadonlyMap<string, string>>(new Map());
  const last = useRef(-1);
  const forGrid = useMemo(
    (): GridSelection<AgentJson> => ({
      has: ({ agentId }) => chosen.has(agentId),
      toggle: (agent, place, isRange) => {
        const next = new Map(chosen);
        const range = isRange && last.current >= 0 ? between(agents, last.current, place) : [agent];
        const isOn = isRange || !chosen.has(agent.agentId);
        for (const { agentId, host } of range) {
          if (isOn) next.set(agentId, host);
          else next.delete(agentId);
        }
        last.current = place;
        setChosen(next);
      },
    }),
    [chosen, agents],
  );
  return { chosen, forGrid, clear: () => setChosen(new Map()) };
}

function between(agents: readonly AgentJson[], one: number, other: number): readonly AgentJson[] {
  return agents.slice(Math.min(one, other), Math.max(one, other) + 1);
}
