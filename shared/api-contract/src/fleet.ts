import { z } from 'zod';
import { agentCountsParameter, agentCountsSchema } from './agent.js';
import { count, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';

/** Commands are counted up to this. */
export const MAX_COUNTED_COMMANDS = 100;

const commandCount = count.meta({ description: `At most ${MAX_COUNTED_COMMANDS}.` });

const fleetSchema = z
  .object({
    at: timestamp,
    endpoints: agentCountsSchema,
    health: z
      .object({ ok: count, warning: count, critical: count })
      .nullable()
      .meta({ description: 'Null where it is not known of all of them.' }),
    queries: z.object({ running: count.meta({ description: 'Hunts among them.' }) }),
    commands: z
      .object({ running: commandCount, awaitingApproval: commandCount })
      .nullable()
      .meta({ description: 'Null where no command service says.' }),
  })
  .meta({ id: 'Fleet' });

export const fleetOperations = defineOperations('agents', {
  showFleet: {
    method: 'get',
    path: '/v1/fleet',
    action: 'fleet.show',
    summary: 'The fleet at a glance: who is connected and how, health, and what runs',
    description:
      'Cheap: who asks the same within two seconds shares one count. What runs is that of the org as far as the caller may see it, whatever the selector.',
    access: 'agents:read',
    query: z.strictObject({ selector: selectorText.default(''), by: agentCountsParameter.optional() }),
    answers: { 200: jsonAnswer('The counts.', fleetSchema) },
    problems: ['bad_selector', 'no_telemetry_service', 'timeout'],
  },
});

export type FleetJson = Json<typeof fleetSchema>;
