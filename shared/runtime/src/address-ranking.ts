/** What is ranked: anything that comes from an address. */
export interface Addressed {
  readonly address: string;
}

/** Connections by address, each address's oldest first. Knows the address with the most. Every operation takes constant time. */
export class AddressRanking<C extends Addressed> {
  readonly #byAddress = new Map<string, Set<C>>();
  /** At index n: the addresses with n connections. */
  readonly #withCount: Set<string>[] = [];
  #most = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The address with the most connections, and how many it has. */
  get heaviest(): { readonly address: string; readonly count: number } | undefined {
    const address = first(this.#withCount[this.#most]);
    return address === undefined ? undefined : { address, count: this.#most };
  }

  add(connection: C): void {
    const { address } = connection;
    let own = this.#byAddress.get(address);
    if (own === undefined) this.#byAddress.set(address, (own = new Set()));
    own.add(connection);
    this.#size += 1;
    this.#move(address, own.size - 1, own.size);
  }

  delete(connection: C): void {
    const { address } = connection;
    const own = this.#byAddress.get(address);
    if (own?.delete(connection) !== true) return;
    this.#size -= 1;
    if (own.size === 0) this.#byAddress.delete(address);
    this.#move(address, own.size + 1, own.size);
  }

  oldestOf(address: string): C | undefined {
    return first(this.#byAddress.get(address));
  }

  oldestOfHeaviest(): C | undefined {
    const { heaviest } = this;
    return heaviest === undefined ? undefined : this.oldestOf(heaviest.address);
  }

  #move(address: string, from: number, to: number): void {
    this.#withCount[from]?.delete(address);
    if (to > 0) (this.#withCount[to] ??= new Set()).add(address);
    if (to > this.#most) this.#most = to;
    else if (from === this.#most && this.#withCount[from]?.size === 0) this.#most = to;
  }
}

function first<T>(values: Iterable<T> | undefined): T | undefined {
  for (const value of values ?? []) return value;
  return undefined;
}
