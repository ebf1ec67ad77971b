import { z } from 'zod';

/** `typ` of a signed command's JWS header. */
export const COMMAND_TYPE = 'muster-command+jws';
/** `typ` of the list of keys that may sign commands; a root signs that list. */
export const COMMAND_KEYS_TYPE = 'muster-command-keys+jws';

/** The id and the name of who ordered or approved a command, in UTF-16 code units. */
export const PERSON_CHARS = 200;
/** What names who stands behind a credential. */
export const STANDING_CHARS = 500;

const person = z.object({
  id: z.string().max(PERSON_CHARS),
  name: z.string().max(PERSON_CHARS),
  /** Who stands behind the credential. Two ids with one `person` are one person. */
  person: z.string().max(STANDING_CHARS).optional(),
});

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

/** What a command's signature covers: the JWS payload, JSON. Times are seconds since 1970, as in every JWT. */
export const commandClaimsSchema = z.object({
  iss: z.literal('muster'),
  org: z.string(),
  /** The command's id. */
  jti: z.string(),
  action: z.string(),
  params: z.record(z.string(), paramValueSchema),
  /** Number of targets. `root` is the root of their tree, base64url of 32 bytes. */
  targets: z.number().int().positive(),
  root: z.string().length(43),
  iat: z.number().int(),
  exp: z.number().int(),
  /** How long it may run on one endpoint. */
  timeoutMs: z.number().int().positive(),
  dryRun: z.boolean(),
  operator: person,
  /** Who approved it, when approval was needed: never the operator. */
  approver: person.optional(),
  reason: z.string().optional(),
});
export type CommandClaims = z.output<typeof commandClaimsSchema>;

/** What a root signs: the keys that may sign commands. An agent never accepts a lower version again. */
export const commandKeysClaimsSchema = z.object({
  iss: z.literal('muster'),
  version: z.number().int().positive(),
  iat: z.number().int(),
  keys: z
    .array(z.object({ kid: z.string().min(1), x: z.string().length(43), exp: z.number().int().optional() }))
    .min(1),
  /** Ids of keys that must not be accepted any more. What they signed is refused as `retired_key`. */
  retired: z.array(z.string()),
});
export type CommandKeysClaims = z.output<typeof commandKeysClaimsSchema>;
