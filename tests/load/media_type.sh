# The media type of a body's file, by its ending. For wrk.sh, vegeta.sh and oha.sh, which source this.
# shellcheck shell=bash
media_type() {
	case $1 in
	*.json) echo application/json ;;
	*.jsonl) echo application/jsonl ;;
	*.safetensors) echo application/x-safetensors ;;
	*)
		echo "$1: its name must end with .json, .jsonl or .safetensors" >&2
		return 2
		;;
	esac
}
