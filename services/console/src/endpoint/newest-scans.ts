/** Scans of a pack that are asked at most, before the endpoint counts as not asked by the newest. */
const TRIES = 5;

interface PackScan {
  readonly pack: { readonly id: string };
}

/** What a scan tells of the endpoint. `isWhole`: nothing is left out. */
interface Told {
  readonly items: readonly unknown[];
  readonly isWhole: boolean;
}

interface NewestScans<Scan, T> {
  readonly found: readonly { readonly scan: Scan; readonly told: T }[];
  /** Of each pack either a scan was found or all of `scans` were asked. */
  readonly isAll: boolean;
}

/**
 * The newest scan of each pack that may have asked the endpoint, with what it tells. A scan has not asked it if it tells nothing and leaves
 * nothing out. `scans` are newest first; `ask` gives `undefined` where a scan is not kept any more.
 */
export async function newestByPack<Scan extends PackScan, T extends Told>(
  scans: readonly Scan[],
  ask: (scan: Scan) => Promise<T | undefined>,
): Promise<NewestScans<Scan, T>> {
  const packs = new Map<string, Scan[]>();
  for (const scan of scans) packs.set(scan.pack.id, [...(packs.get(scan.pack.id) ?? []), scan]);
  const asked = await Promise.all(
    [...packs.values()].map(async (of) => {
      for (const scan of of.slice(0, TRIES)) {
        const told = await ask(scan);
        if (told !== undefined && (told.items.length > 0 || !told.isWhole)) return { scan, told };
      }
      return of.length <= TRIES;
    }),
  );
  return { found: asked.filter((one) => typeof one !== 'boolean'), isAll: !asked.includes(false) };
}
