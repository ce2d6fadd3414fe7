/* What a run came to, for people and as JSON. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "driver.h"

/* `rate`: what was asked for a second; 0: closed model. */
void report(const struct options *options, const struct workload *workload,
	    const struct measured *measured, double rate);

/* A step of the search for the largest rate, and its end; as JSON only the end. */
void report_step(const struct options *options, const struct measured *measured, double rate,
		 bool held);
void report_knee(const struct options *options, const struct workload *workload, double rate,
		 const struct measured *measured);

#endif
