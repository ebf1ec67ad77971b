/** Scans of a pack that are asked at most, before the endpoint counts as not asked by any. */
const TRIES = 5;

interface PackScan {
  readonly pack: { readonly id: string };
}

/**
 * The newest scan of each pack that tells something, with what it tells. `scans` are newest first; `ask` gives `undefined` where a scan has
 * nothing to tell, or can no longer.
 */
export async function newestByPack<Scan extends PackScan, Told>(
  scans: readonly Scan[],
  ask: (scan: Scan) => Promise<Told | undefined>,
): Promise<readonly { readonly scan: Scan; readonly told: Told }[]> {
  const packs = new Map<string, Scan[]>();
  for (const scan of scans) packs.set(scan.pack.id, [...(packs.get(scan.pack.id) ?? []), scan]);
  const found = await Promise.all(
    [...packs.values()].map(async (of) => {
      for (const scan of of.slice(0, TRIES)) {
        const told = await ask(scan);
        if (told !== undefined) return { scan, told };
      }
      return undefined;
    }),
  );
  return found.filter((one) => one !== undefined);
}
