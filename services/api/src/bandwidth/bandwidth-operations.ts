import { operations } from '@muster/api-contract';
import type { Bus } from '@muster/bus';
import type { QueryRecord } from '@muster/records';
import type { PresenceDoubt, Registry } from '@muster/registry';
import { findAgent, type SelectionParts } from '../agents/agent-selection.js';
import { implement, json, type Call, type Operation } from '../http/operation.js';
import type { EndpointByNum } from '../queries/result-json.js';
import { endpointsJson } from './endpoint-json.js';
import { surveyEndpoints, type SurveyParts } from './endpoint-survey.js';
import { fleetJson } from './fleet-json.js';
import { surveyGateways } from './gateway-survey.js';

export interface BandwidthParts extends SurveyParts, SelectionParts {
  readonly bus: Pick<Bus, 'request'>;
  readonly registry: Pick<Registry, 'gateways' | 'lease'>;
  readonly doubt: Pick<PresenceDoubt, 'isInDoubt'>;
  readonly byNum: EndpointByNum;
}

/** Bytes on the wire, Live compared with Poll: as gateways count them, and as endpoints count them. */
export function bandwidthOperations(parts: BandwidthParts): Operation[] {
  return [fleetOperation(parts), endpointsOperation(parts), agentOperation(parts)];
}

function fleetOperation(parts: BandwidthParts): Operation {
  const { clock } = parts;
  return implement(operations.showBandwidth, async (call) => {
    const asks = call.query.ask !== 'false';
    // Reading counters is not audited; asking endpoints is.
    if (!asks) call.auditedElsewhere();
    // The gateways first: when they cannot be asked, no query is started.
    const gateways = await surveyGateways(parts);
    const endpoints = asks ? await surveyed(parts, call, call.query) : undefined;
    return json(200, { ...fleetJson(gateways, clock.now()), endpoints });
  });
}

function endpointsOperation(parts: BandwidthParts): Operation {
  return implement(operations.listEndpointBandwidth, async (call) =>
    json(200, await surveyed(parts, call, call.query)),
  );
}

function agentOperation(parts: BandwidthParts): Operation {
  return implement(operations.showAgentBandwidth, async (call) => {
    const { agentId } = await findAgent(parts, call.principal, call.params.id);
    return json(200, await surveyed(parts, call, { selector: `id=${agentId}`, timeout: call.query.timeout, top: 1 }));
  });
}

async function surveyed(
  parts: BandwidthParts,
  { principal, signal, note }: Pick<Call, 'principal' | 'signal' | 'note'>,
  { selector, timeout, top }: { readonly selector: string; readonly timeout: number; readonly top: number },
): Promise<ReturnType<typeof endpointsJson>> {
  note({ scope: selector });
  const started = ({ id, scope }: QueryRecord): void => note({ subject: id, scope });
  const survey = await surveyEndpoints(parts, principal, { selector, timeoutMs: timeout, signal, started });
  return endpointsJson(survey, top, parts.byNum);
}
