/** What a YAML text may have. Reading ends with a message at the first bound that it passes. */
export interface YamlLimits {
  readonly bytes: number;
  /** Words and marks of the lexer. */
  readonly tokens: number;
  /** Nested lists and maps. */
  readonly depth: number;
  /** Lists, maps and values in all, those that aliases repeat not counted. */
  readonly nodes: number;
  /** Aliases (`*name`) in all. */
  readonly aliases: number;
}

/** Wide enough for the largest pack that is accepted. */
export const YAML_LIMITS: YamlLimits = {
  bytes: 2 * 1024 * 1024,
  tokens: 300_000,
  depth: 24,
  nodes: 100_000,
  aliases: 100,
};
