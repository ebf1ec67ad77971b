import { useNavigate } from '@tanstack/react-router';
import { selectorsOf, type FleetTarget } from '../act/fleet-target.js';
import { useCan } from '../session/session.js';
import { Button } from '../ui/controls.js';

/** Begins a scan of endpoints; not there for those who may not, and where they are more than one selector names. */
export function ScanButton({ target }: { target: FleetTarget }) {
  const can = useCan();
  const navigate = useNavigate();
  const [selector, ...others] = selectorsOf(target);
  if (!can('queries:run') || selector === undefined || others.length > 0) return null;
  return (
    <Button small onPress={() => void navigate({ to: '/scans', search: { selector } as never })}>
      Scan…
    </Button>
  );
}
