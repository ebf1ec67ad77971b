/** Which checks a query runs in place of SQL, and who vouched for them. */
export interface PackReference {
  readonly id: string;
  readonly version: string;
  /** SHA-256 of the encoded checks, hexadecimal: what endpoints compare. */
  readonly hash: string;
  /** How many. Each whole answer has as many rows. */
  readonly checks: number;
  /** The signature, and the key list with the key that made it. */
  readonly jws: string;
  readonly keys: string;
}
