import type { Bus } from '@muster/bus';
import type { QueryRecord } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { z } from 'zod';
import { findAgent, type SelectionParts } from '../agents/agent-selection.js';
import { limitParameter } from '../http/cursor.js';
import { defineOperation, json, type Call, type JsonAnswer, type Operation } from '../http/operation.js';
import { agentIdParameter, problems, selectorText } from '../http/schemas.js';
import type { EndpointByNum } from '../queries/result-json.js';
import { endpointBandwidthSchema, fleetBandwidthSchema, waitParameter } from './bandwidth-schemas.js';
import { endpointsJson } from './endpoint-json.js';
import { surveyEndpoints, type SurveyParts } from './endpoint-survey.js';
import { fleetJson } from './fleet-json.js';
import { surveyGateways } from './gateway-survey.js';

export interface BandwidthParts extends SurveyParts, SelectionParts {
  readonly bus: Pick<Bus, 'request'>;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly byNum: EndpointByNum;
}

const ASKED = {
  200: {
    description: 'Once all have answered, or the time is over.',
    content: { 'application/json': endpointBandwidthSchema },
  },
  ...problems('bad_selector', 'bad_timeout', 'too_many_queries', 'no_query_service', 'timeout'),
};

/** Bytes on the wire, Live against Poll: as gateways count them, and as endpoints do. */
export function bandwidthOperations(parts: BandwidthParts): Operation[] {
  return [fleetOperation(parts), endpointsOperation(parts), agentOperation(parts)];
}

function fleetOperation({ bus, registry, clock }: BandwidthParts): Operation {
  return defineOperation({
    id: 'showBandwidth',
    method: 'get',
    path: '/v1/bandwidth',
    tag: 'bandwidth',
    action: 'bandwidth.show',
    summary: 'What the gateways have carried since they started, Live against Poll',
    description:
      'Of the whole deployment. Channels are counted in frames, with the heads that WebSocket gives them and before the compression of Poll; ' +
      '`sockets` is what TCP carried for all of it. A gateway that does not answer in three seconds is named, and not in the sums.',
    access: 'queries:read',
    responses: {
      200: { description: 'The counters.', content: { 'application/json': fleetBandwidthSchema } },
      ...problems(),
    },
    handle: async () => json(200, fleetJson(await surveyGateways(bus, registry), clock.now())),
  });
}

function endpointsOperation(parts: BandwidthParts): Operation {
  return defineOperation({
    id: 'listEndpointBandwidth',
    method: 'get',
    path: '/v1/bandwidth/endpoints',
    tag: 'bandwidth',
    action: 'bandwidth.ask',
    audited: true,
    summary: 'What endpoints have carried since their agents started, Live against Poll',
    description:
      'Asks them for their table `agent_traffic`, which counts at the sockets, as a query like any other: the answer comes when it has ended, and ' +
      '`/v1/queries/{id}` has it as long as queries are kept.',
    access: 'queries:read',
    query: z.strictObject({
      selector: selectorText.default('').meta({ description: 'Which endpoints to ask; empty means all.' }),
      timeout: waitParameter,
      top: limitParameter(20, 1_000),
    }),
    responses: ASKED,
    handle: (call) => asked(parts, call, call.query),
  });
}

function agentOperation(parts: BandwidthParts): Operation {
  return defineOperation({
    id: 'showAgentBandwidth',
    method: 'get',
    path: '/v1/agents/{id}/bandwidth',
    tag: 'bandwidth',
    action: 'bandwidth.ask',
    audited: true,
    summary: 'What one endpoint has carried since its agent started, Live against Poll',
    access: 'queries:read',
    params: agentIdParameter,
    query: z.strictObject({ timeout: waitParameter }),
    responses: { ...ASKED, ...problems('not_found', 'bad_timeout', 'too_many_queries', 'no_query_service', 'timeout') },
    handle: async (call) => {
      const { agentId } = await findAgent(parts, call.principal, call.params.id);
      return asked(parts, call, { selector: `id=${agentId}`, timeout: call.query.timeout, top: 1 });
    },
  });
}

async function asked(
  parts: BandwidthParts,
  { principal, signal, note }: Pick<Call, 'principal' | 'signal' | 'note'>,
  { selector, timeout, top }: { readonly selector: string; readonly timeout: number; readonly top: number },
): Promise<JsonAnswer> {
  note({ scope: selector });
  const started = ({ id, scope }: QueryRecord): void => note({ subject: id, scope });
  const survey = await surveyEndpoints(parts, principal, { selector, timeoutMs: timeout, signal, started });
  return json(200, endpointsJson(survey, top, parts.byNum));
}
