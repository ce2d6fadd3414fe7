// simdjson On-Demand, timed for peer.h: the numbers of a body of JSON into an array of floats. Built where simdjson is
// installed.
//
//   simdjson FILE     what is asked does not matter: FILE is read again for each question, and its parsing timed
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

using namespace simdjson;

static const double timed_seconds = 0.08;

static double now_seconds()
{
	using clock = std::chrono::steady_clock;
	return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

static void parse(ondemand::parser &parser, const padded_string &body, std::vector<float> &out)
{
	float *next = out.data();
	ondemand::document document = parser.iterate(body);
	for (auto row : document["logits"].get_array())
		for (auto value : row.get_array())
			*next++ = float(double(value.get_double()));
}

// As time_call of timing.c measures.
static double seconds_of_parsing(const padded_string &body, size_t count)
{
	std::vector<float> out(count);
	ondemand::parser parser;
	parse(parser, body, out);
	for (size_t repeats = 1;; repeats *= 2) {
		double start = now_seconds();
		for (size_t i = 0; i < repeats; i++)
			parse(parser, body, out);
		double taken = now_seconds() - start;
		if (taken >= timed_seconds)
			return taken / double(repeats);
	}
}

// With quotes or without, as it is defined in one version or the other.
static std::string version()
{
	std::string text;
	for (char c : std::string(SIMDJSON_STRINGIFY(SIMDJSON_VERSION)))
		if (c != '"')
			text += c;
	return text;
}

int main(int argc, char **argv)
{
	size_t rows, classes;
	if (argc != 2)
		return 2;
	printf("ready simdjson %s, %s\n", version().c_str(), get_active_implementation()->name().c_str());
	fflush(stdout);
	while (scanf("%*s %zu %zu %*d", &rows, &classes) == 2) {
		try {
			padded_string body = padded_string::load(argv[1]);
			printf("%.9g\n", seconds_of_parsing(body, rows * classes));
		} catch (const simdjson_error &error) {
			printf("failed: %s\n", error.what());
		}
		fflush(stdout);
	}
	return 0;
}
