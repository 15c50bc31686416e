#!/bin/sh
# An MCP server that says who it is and then waits; as small as a process can be.
while read -r line; do
  case $line in
    *'"initialize"'*)
      printf '%s\n' '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"idle","version":"1"}}}'
      ;;
  esac
done
