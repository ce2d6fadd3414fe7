#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#define COMPILER __VERSION__ /* "Clang 14.0.6" or alike */
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Of a call on so little its time says more than its rate. */
#define SHORT_CALL_BYTES 4096.0

static bool is_short(const struct measured *measured)
{
	return measured->bytes > 0.0 && measured->bytes <= SHORT_CALL_BYTES;
}

static const char *unit_of(const struct measured *measured)
{
	if (measured->unit)
		return measured->unit;
	return is_short(measured) ? "µs" : "GB/s";
}

static double in_unit(const struct measured *measured, double seconds)
{
	if (measured->unit)
		return seconds * measured->factor;
	return is_short(measured) ? seconds * 1e6 : measured->bytes / seconds * 1e-9;
}

/* The processor's name, as far as the system tells it. */
static void print_processor(FILE *out)
{
	char line[256];
	FILE *info = fopen("/proc/cpuinfo", "r");
	const char *name = NULL;
	while (!name && info && fgets(line, sizeof line, info))
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':'))
			name = strchr(line, ':') + 2;
	if (info)
		fclose(info);
	fprintf(out, "%.*s", name ? (int)strcspn(name, "\n") : 17,
		name ? name : "unknown processor");
}

void report_machine(FILE *out, const struct bench *bench)
{
	double load = 0.0;
	if (getloadavg(&load, 1) != 1)
		load = (double)NAN;
	print_processor(out);
	fprintf(out, ", %s, %d thread%s, %s, load before %.2f; medians of %zu rounds\n", bench->isa,
		bench->threads, bench->threads == 1 ? "" : "s", COMPILER, load, bench->rounds);
}

/* Pads by characters, which UTF-8's continuation bytes are not. */
static void print_cell(FILE *out, const char *text, int width)
{
	for (const char *c = text; *c; c++)
		width -= (*c & 0xc0) != 0x80;
	fprintf(out, "%s%*s | ", text, width > 0 ? width : 0, "");
}

void report_head(FILE *out)
{
	fputs("\n| #  | case                                   | ours       | reference  | "
	      "ratio | bar   | met | of which |\n"
	      "| -- | -------------------------------------- | ---------- | ---------- | "
	      "----- | ----- | --- | -------- |\n",
	      out);
}

static void print_value(FILE *out, const struct measured *measured, double seconds)
{
	char text[32] = "-";
	double value = in_unit(measured, seconds);
	if (!isnan(value))
		snprintf(text, sizeof text,
			 value < 1.0    ? "%.3f %s"
			 : value < 10.0 ? "%.2f %s"
					: "%.1f %s",
			 value, unit_of(measured));
	print_cell(out, text, 10);
}

void report_row(FILE *out, const struct measured *measured)
{
	char text[32];
	bool known = !isnan(measured->ratio);
	fputs("| ", out);
	print_cell(out, measured->what->id, 2);
	print_cell(out, measured->name, 38);
	print_value(out, measured, measured->ours);
	print_value(out, measured, measured->reference);
	snprintf(text, sizeof text, measured->ratio < 10.0 ? "%.2f" : "%.1f", measured->ratio);
	print_cell(out, known ? text : "-", 5);
	snprintf(text, sizeof text, "%s %.4g", measured->what->at_most ? "≤" : "≥",
		 measured->what->bar);
	print_cell(out, text, 5);
	print_cell(out, known ? (measured->met ? "yes" : "NO") : "-", 3);
	fprintf(out, "%s |\n", measured->note);
	fflush(out);
}

static void json_number(FILE *out, const char *name, double value)
{
	if (isnan(value))
		fprintf(out, "\"%s\": null, ", name);
	else
		fprintf(out, "\"%s\": %.6g, ", name, value);
}

/* Text of this program and of its peers; what JSON would have escaped is left out. */
static void json_string(FILE *out, const char *name, const char *text)
{
	fprintf(out, "\"%s\": \"", name);
	for (; *text; text++)
		if ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
			fputc(*text, out);
	fputc('"', out);
}

void report_json(FILE *out, const struct measured *measured, size_t n)
{
	fputs("[\n", out);
	for (size_t i = 0; i < n; i++, measured++) {
		fputs("  {", out);
		json_string(out, "id", measured->what->id);
		fputs(", ", out);
		json_string(out, "case", measured->name);
		fputs(", ", out);
		json_number(out, "ours", in_unit(measured, measured->ours));
		json_number(out, "reference", in_unit(measured, measured->reference));
		json_string(out, "unit", unit_of(measured));
		fputs(", ", out);
		json_number(out, "ratio", measured->ratio);
		json_number(out, "bar", measured->what->bar);
		fprintf(out, "\"met\": %s, ", measured->met ? "true" : "false");
		json_string(out, isnan(measured->ratio) ? "why" : "note", measured->note);
		fputs(i + 1 < n ? "},\n" : "}\n", out);
	}
	fputs("]\n", out);
}
