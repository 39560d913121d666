/* shapes.h - what @module@ reads and shows. `pando gen` reads these structs, too: JSON, forms and
 * templates are checked against them. */
#ifndef @MODULE@_SHAPES_H
#define @MODULE@_SHAPES_H

#include <pando/shape.h>
#include "site/shapes.h"

struct @module@_index_view { /* templates/index.html */
    struct site_frame frame;
};
/* pando: views (`pando generate` adds lines above this one) */

#endif
