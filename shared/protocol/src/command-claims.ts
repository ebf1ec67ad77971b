import { z } from 'zod';

/** `typ` of a signed command's JWS header. */
export const COMMAND_TYPE = 'muster-command+jws';
/** `typ` of the list of keys that may sign commands, itself signed by a root. */
export const COMMAND_KEYS_TYPE = 'muster-command-keys+jws';

const person = z.object({ id: z.string().max(200), name: z.string().max(200) });

/** A parameter of an action. */
export const paramValueSchema = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.string()),
  z.record(z.string(), z.string()),
]);
export type ParamValue = z.output<typeof paramValueSchema>;
export type Params = Readonly<Record<string, ParamValue>>;

/** What a command's signature says (the JWS payload, JSON). Times are seconds since 1970, as everywhere in JWTs. */
export const commandClaimsSchema = z.object({
  iss: z.literal('muster'),
  org: z.string(),
  /** The command's id. */
  jti: z.string(),
  action: z.string(),
  params: z.record(z.string(), paramValueSchema),
  /** How many targets, and the root of their tree: base64url of 32 bytes. */
  targets: z.number().int().positive(),
  root: z.string().length(43),
  iat: z.number().int(),
  exp: z.number().int(),
  /** How long it may run on one endpoint. */
  timeoutMs: z.number().int().positive(),
  dryRun: z.boolean(),
  operator: person,
  /** Who approved it, where that was asked for: never the operator. */
  approver: person.optional(),
  reason: z.string().optional(),
});
export type CommandClaims = z.output<typeof commandClaimsSchema>;

/** What a root signs: the keys that may sign commands. An agent never goes back to a lower version. */
export const commandKeysClaimsSchema = z.object({
  iss: z.literal('muster'),
  version: z.number().int().positive(),
  iat: z.number().int(),
  keys: z
    .array(z.object({ kid: z.string().min(1), x: z.string().length(43), exp: z.number().int().optional() }))
    .min(1),
  /** Key ids that were in use once and must not be believed any more: what they signed is refused by name. */
  retired: z.array(z.string()),
});
export type CommandKeysClaims = z.output<typeof commandKeysClaimsSchema>;
