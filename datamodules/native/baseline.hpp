// The pixels of a box, each component by itself, out of a baseline JPEG (ITU-T T.81), and of nothing around them.
//
// What lies outside the box is read, as there is no other way to what comes behind it, but not transformed. All but the
// usual is refused. Usual is: 8 bits a pixel, all components in one scan, and chrominance as fine as luminance (4:4:4),
// half as fine across (4:2:2), or both ways (4:2:0), or none.

#pragma once

#include <algorithm>
#include <vector>

#include "huffman.hpp"
#include "inverse_dct.hpp"

struct Area {
    int top, left, bottom, right;

    bool contains(int x, int y) const { return x >= left && x < right && y >= top && y < bottom; }
};

struct Component {
    int id, across, down;           // blocks in a unit
    int quantization, dc, ac;       // its tables
    int last;                       // DC coefficient
    int width, height;              // in pixels
    Area blocks;                    // that the box needs
    uint8_t* plane;                 // the pixels of these blocks, rows `stride` apart
    int64_t stride;

    // Pixels from column x of the image's on; rows beyond its edges are those at the edges.
    const uint8_t* row(int x, int y) const {
        return plane + (std::clamp(y, 0, height - 1) - 8 * blocks.top) * stride + x - 8 * blocks.left;
    }
};

class Baseline {
  public:
    Component components[3];
    int count = 0;
    int across = 1, down = 1;  // of luminance, times as fine as chrominance
    Area box;

    // Decodes; what `components` then points to stays until the next file.
    void decode(const uint8_t* data, int64_t size, const Area& wanted) {
        at = data, end = data + size, box = wanted;
        count = restart = 0;
        for (int i = 0; i < 4; i++) quantized[i] = dc[i & 1].defined = ac[i & 1].defined = false;
        while (!segment()) continue;
        allot();
        unstuff();
        read();
    }

  private:
    static constexpr int SPARE = 64;      // bytes that may be read before the first pixel, or behind the last
    static constexpr int PADDING = 4096;  // bytes; more than a unit has

    int byte() {
        demand(at < end);
        return *at++;
    }

    int word() {
        const int high = byte();
        return high << 8 | byte();
    }

    // Reads one; whether it was the last before the codes.
    bool segment() {
        demand(byte() == 0xFF);
        const int marker = byte();
        if (marker == 0xD8) return false;
        const int length = word() - 2;
        demand(length >= 0 && length <= end - at);
        const uint8_t* next = at + length;
        if (marker == 0xDB)
            define_quantization(next);
        else if (marker == 0xC4)
            define_codes(next);
        else if (marker == 0xC0)
            begin_frame();
        else if (marker == 0xDD)
            restart = word();
        else if (marker == 0xDA)
            begin_scan();
        else
            demand((marker & 0xF0) == 0xE0 || marker == 0xFE), at = next;  // an application's, or a comment
        demand(at == next);
        return marker == 0xDA;
    }

    void define_quantization(const uint8_t* next) {
        while (at < next) {
            const int which = byte();
            demand(which < 4 && next - at >= 64);
            for (int k = 0; k < 64; k++) reinterpret_cast<int*>(quantization[which])[ZIGZAG[k]] = *at++;
            quantized[which] = true;
        }
    }

    void define_codes(const uint8_t* next) {
        while (at < next) {
            const int which = byte();
            demand((which & 0xEE) == 0 && next - at >= 16);
            const uint8_t* counts = at;
            int total = 0;
            for (int i = 0; i < 16; i++) total += *at++;
            demand(total <= 256 && total <= next - at);
            (which >> 4 ? ac : dc)[which & 1].define(counts, at, total, which >> 4);
            at += total;
        }
    }

    void begin_frame() {
        demand(count == 0 && byte() == 8);
        height = word(), width = word(), count = byte();
        demand(count == 1 || count == 3);
        demand(box.top >= 0 && box.left >= 0 && box.top < box.bottom && box.left < box.right);
        demand(box.bottom <= height && box.right <= width);
        for (int i = 0; i < count; i++) {
            Component& c = components[i];
            c.id = byte(), c.down = byte(), c.quantization = byte();
            c.across = c.down >> 4, c.down &= 15;
            demand(c.quantization < 4);
        }
        if (count == 1) components[0].across = components[0].down = 1;
        across = components[0].across, down = components[0].down;
        // of narrow images libjpeg does not smooth the colours
        demand((across == 1 && down == 1) || (across == 2 && (down == 1 || down == 2) && width > 8));
        for (int i = 1; i < count; i++) demand(components[i].across == 1 && components[i].down == 1);
    }

    void begin_scan() {
        demand(count && byte() == count);
        for (Component& c : here()) {
            demand(byte() == c.id);
            const int tables = byte();
            c.dc = tables >> 4, c.ac = tables & 15, c.last = 0;
            demand(c.dc < 2 && c.ac < 2 && dc[c.dc].defined && ac[c.ac].defined && quantized[c.quantization]);
        }
        demand(byte() == 0 && byte() == 63 && byte() == 0);
    }

    // Which blocks of each component the box needs, and where their pixels go.
    void allot() {
        int64_t size = 0;
        for (Component& c : here()) {
            const int x = across / c.across, y = down / c.down;
            const int reach = x > 1;  // smoothing looks one pixel beyond
            c.width = (width + x - 1) / x, c.height = (height + y - 1) / y;
            c.blocks.top = std::max(box.top / y - reach, 0) / 8;
            c.blocks.left = std::max(box.left / x - reach, 0) / 8;
            c.blocks.bottom = (std::min((box.bottom - 1) / y + reach, c.height - 1)) / 8 + 1;
            c.blocks.right = (std::min((box.right - 1) / x + reach, c.width - 1)) / 8 + 1;
            c.stride = 8 * (c.blocks.right - c.blocks.left);
            size += c.stride * 8 * (c.blocks.bottom - c.blocks.top);
        }
        demand(size <= 256 * (end - at));  // a block has two bits at least
        grow(planes, size + 2 * SPARE);
        uint8_t* plane = planes.data() + SPARE;
        for (Component& c : here()) {
            c.plane = plane;
            plane += c.stride * 8 * (c.blocks.bottom - c.blocks.top);
        }
    }

    // The codes without zeros that were stuffed behind 255, and where in them the parts end that restart markers make.
    void unstuff() {
        grow(codes, end - at + PADDING);
        uint8_t* to = codes.data();
        ends.clear();
        for (;;) {
            const uint8_t* next = static_cast<const uint8_t*>(std::memchr(at, 0xFF, end - at));
            demand(next && next + 1 < end);
            std::memcpy(to, at, next - at);
            to += next - at, at = next + 2;
            if (next[1] == 0) {
                *to++ = 0xFF;
                continue;
            }
            const int due = 0xD0 | (ends.size() & 7);
            ends.push_back(to - codes.data());
            if (restart && next[1] == due) continue;
            demand(next[1] == 0xD9);  // the image's end: libjpeg might stumble over anything else
            break;
        }
        std::memset(to, 0, PADDING);
    }

    void read() {
        const int columns = (width - 1) / (8 * across) + 1;
        int rows = 0, enough = 0, part = 0, due = restart;
        for (const Component& c : here()) {
            rows = std::max(rows, (c.blocks.bottom - 1) / c.down + 1);
            enough = std::max(enough, (c.blocks.right - 1) / c.across + 1);
        }
        const uint8_t* start = codes.data();
        Reader reader(start);
        wrong = Row{};
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < (y < rows - 1 ? columns : enough); x++) {
                if (restart && due-- == 0) {
                    demand(reader.position() == start + ends[part] && part + 1 < int(ends.size()));
                    reader = Reader(start + ends[part++]);
                    for (Component& c : here()) c.last = 0;
                    due = restart - 1;
                }
                for (Component& c : here()) unit(reader, c, x, y);
                demand(reader.position() <= start + ends[part]);
            }
        for (int i = 0; i < 8; i++) demand(!wrong[i]);
    }

    // A component's blocks of a unit.
    void unit(Reader& reader, Component& c, int x, int y) {
        alignas(32) int16_t block[65];
        for (int i = 0; i < c.across * c.down; i++) {
            const int column = x * c.across + i % c.across, row = y * c.down + i / c.across;
            c.last += reader.symbol(dc[c.dc], false).value;
            demand(c.last == int16_t(c.last));
            if (!c.blocks.contains(column, row)) {
                reader.coefficients<false>(ac[c.ac], nullptr);
                continue;
            }
            std::memset(block, 0, sizeof block);
            block[0] = c.last;
            reader.coefficients<true>(ac[c.ac], block);
            uint8_t* place = c.plane + (row - c.blocks.top) * 8 * c.stride + (column - c.blocks.left) * 8;
            pixels_of(block, quantization[c.quantization], place, c.stride, wrong);
        }
    }

    struct Present {
        Component *first, *last;
        Component* begin() const { return first; }
        Component* end() const { return last; }
    };
    Present here() { return {components, components + count}; }

    const uint8_t *at, *end;
    int width, height, restart;  // units between restart markers
    bool quantized[4];
    Row quantization[4][8], wrong;
    Table dc[2], ac[2];
    std::vector<uint8_t> codes, planes;
    std::vector<int64_t> ends;
};
