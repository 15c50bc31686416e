#!/bin/sh
# An MCP server that answers a ping under the id 1, and has its own way to go.
case $1 in
  stubborn) trap '' TERM INT HUP ;;
  fork) sleep 3600 & ;;
  daemon) setsid sleep 3600 & ;;
esac
while read -r line; do
  case $line in
    *'"id":1,'*) echo '{"jsonrpc":"2.0","id":1,"result":{}}' ;;
    *'"id":2,'*)
      case $1 in
        exit) exit 3 ;;
        crash) kill -SEGV $$ ;;
      esac
      ;;
  esac
done
# The end of stdin asks it to end.
if [ "$1" = stubborn ]; then while :; do sleep 3600; done; fi
