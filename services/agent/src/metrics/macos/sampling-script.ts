/**
 * The script that `sh` runs as long as the agent does. It reads a request a line; the answer is what the tools print,
 * each part under a line with the request's token and a name, and then the token alone. It ends when its input does.
 *
 * Node cannot call sysctl(3) or IOKit, so the shell runs four short tools for a standard set and five for a detailed one.
 * No part may ask another machine: `df -l` has local file systems only, `netstat -n` resolves no names.
 */
export const SAMPLING_SCRIPT = String.raw`
part() { printf '%s %s\n' "$token" "$1"; }
while read -r ask token rest; do
  case $ask in
    standard)
      part disks; ioreg -r -c IOBlockStorageDriver -d 2 -w 0
      part interfaces; netstat -ibdn
      part memory; vm_stat
      part paging; sysctl -n vm.swapusage
      part cost; times
      ;;
    detailed)
      part processes; ps -axww -o pid= -o state= -o rss= -o time= -o lstart= -o user= -o comm=
      part connections; netstat -anp tcp | awk '/^tcp/ { count[$6]++ } END { for (state in count) print state, count[state] }'
      part filesystems; df -lk
      part batteries; pmset -g batt
      ;;
  esac </dev/null 2>/dev/null
  printf '%s\n' "$token"
done
`;
