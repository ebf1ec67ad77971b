import { z } from 'zod';
import { PACK_LIMITS, packSchema } from './pack-schema.js';

/**
 * The JSON schema of a pack, for editors that complete and check YAML. What a JSON schema cannot say (unique ids,
 * control characters, SQL) is checked by `readPack` and `lintPack` only.
 */
export function packJsonSchema(): object {
  const { $schema, ...made } = z.toJSONSchema(packSchema, { target: 'draft-7' }) as unknown as {
    $schema: string;
    properties: { checks: { maxItems?: number; items: { oneOf?: unknown } } };
  };
  made.properties.checks.maxItems = PACK_LIMITS.checks;
  made.properties.checks.items.oneOf = [
    { required: ['sql', 'row_means'], not: { required: ['not_applicable'] } },
    { required: ['not_applicable'], not: { anyOf: [{ required: ['sql'] }, { required: ['row_means'] }] } },
  ];
  return { $schema, $id: 'https://muster.invalid/schemas/pack-1.json', title: 'Muster pack', ...made };
}
