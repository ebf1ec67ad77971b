"""Asks a fleet one question and prints who answered. Needs MUSTER_API_URL and MUSTER_TOKEN; MUSTER_CA for an authority of your own."""
import json, os, ssl, sys, urllib.error, urllib.parse, urllib.request

API, TOKEN = os.environ["MUSTER_API_URL"], os.environ["MUSTER_TOKEN"]
TLS = ssl.create_default_context(cafile=os.environ.get("MUSTER_CA"))


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(API + path, body and json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, context=TLS if API.startswith("https") else None) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"{problem['code']}: {problem['detail']}")


sql, selector = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
query = call("POST", "/v1/queries?wait=30s", {"sql": sql, "selector": selector})
rows, cursor = query["results"]["rows"], query["results"].get("nextCursor")
while cursor:
    page = call("GET", f"/v1/queries/{query['id']}/rows?rows=objects&cursor={urllib.parse.quote(cursor)}")
    rows, cursor = rows + page["items"], page.get("nextCursor")
for row in rows:
    print(row["host"], json.dumps(row["row"]))
for lack in query["results"]["failures"] + query["results"]["warnings"]:
    print(lack["host"], lack.get("outcome", lack["code"]), lack["message"], file=sys.stderr)
is_partial = query["state"] != "complete" or query["results"]["failures"] or query.get("unfinished") or query.get("truncated")
sys.exit(3 if is_partial else 0)
