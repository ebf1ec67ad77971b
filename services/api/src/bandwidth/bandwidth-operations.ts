import type { Bus } from '@muster/bus';
import { leastRole, roleAllows } from '@muster/identity';
import { AppError } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Registry } from '@muster/registry';
import { z } from 'zod';
import { findAgent, type SelectionParts } from '../agents/agent-selection.js';
import { limitParameter } from '../http/cursor.js';
import { defineOperation, json, type Call, type Operation } from '../http/operation.js';
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

/** Whom to ask, and how long to wait for them. */
const askParameters = {
  selector: selectorText.default('').meta({ description: 'Which endpoints to ask; empty means all.' }),
  timeout: waitParameter,
  top: limitParameter(20, 1_000),
};

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

function fleetOperation(parts: BandwidthParts): Operation {
  const { bus, registry, clock } = parts;
  return defineOperation({
    id: 'showBandwidth',
    method: 'get',
    path: '/v1/bandwidth',
    tag: 'bandwidth',
    action: 'bandwidth.show',
    audited: true,
    summary: 'Live against Poll: what endpoints have carried at their sockets, and what the gateways have',
    description:
      '`endpoints` is what `/v1/bandwidth/endpoints` answers: what went through their sockets, TLS, HTTP and WebSocket with it, by channel. The ' +
      'gateways count frames by channel, with the heads that WebSocket gives them and before the compression of Poll, and `sockets` is what TCP ' +
      'carried for all channels together. A gateway that does not answer in three seconds is named, and not in the sums.',
    access: 'queries:read',
    query: z.strictObject({
      ask: z.enum(['true', 'false']).optional().meta({
        description:
          'With `false` no endpoint is asked: the answer has the gateways’ counters alone. The same without it for who may not run queries.',
      }),
      ...askParameters,
    }),
    responses: {
      ...ASKED,
      200: { description: ASKED[200].description, content: { 'application/json': fleetBandwidthSchema } },
    },
    handle: async (call) => {
      const { role } = call.principal;
      const mayAsk = roleAllows(role, 'queries:run');
      const asks = call.query.ask === 'true' || (call.query.ask === undefined && mayAsk);
      if (asks && !mayAsk)
        throw new AppError(
          'forbidden',
          `to ask endpoints needs the role ${leastRole('queries:run')}; yours is ${role}`,
        );
      // To look at counters is nothing to keep a record of.
      if (!asks) call.auditedElsewhere();
      // First what fails at once: nobody is asked when the answer could not be given.
      const gateways = await surveyGateways(bus, registry);
      const endpoints = asks ? await surveyed(parts, call, call.query) : undefined;
      return json(200, { ...fleetJson(gateways, clock.now()), endpoints });
    },
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
    access: 'queries:run',
    query: z.strictObject(askParameters),
    responses: ASKED,
    handle: async (call) => json(200, await surveyed(parts, call, call.query)),
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
    access: 'queries:run',
    params: agentIdParameter,
    query: z.strictObject({ timeout: waitParameter }),
    responses: { ...ASKED, ...problems('not_found', 'bad_timeout', 'too_many_queries', 'no_query_service', 'timeout') },
    handle: async (call) => {
      const { agentId } = await findAgent(parts, call.principal, call.params.id);
      return json(200, await surveyed(parts, call, { selector: `id=${agentId}`, timeout: call.query.timeout, top: 1 }));
    },
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
