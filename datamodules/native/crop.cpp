// A box of a JPEG, scaled, and mirrored or not, in one pass: datamodules/crops.py.

#include "colours.hpp"
#include "scaling.hpp"

namespace {

class Crops {
  public:
    // Writes [rows, columns, 3].
    void crop(const uint8_t* data, int64_t size, const Area& box, int rows, int columns, bool mirrored, uint8_t* out) {
        demand(rows > 0 && columns > 0 && rows < 65536 && columns < 65536);
        image.decode(data, size, box);
        width = box.right - box.left, height = box.bottom - box.top;
        wide = padded(width), narrow = padded(columns);
        for (auto& plane : band) grow(plane, 16 * wide);
        for (auto& plane : scaled) grow(plane, padded(height) * narrow);
        grow(turned, 16 * wide);
        along_rows(columns, mirrored);
        along_columns(rows, columns, out);
    }

  private:
    // 16 rows at a time lie side by side, so that one weight is for all of them.
    void along_rows(int columns, bool mirrored) {
        const Filter filter(width, columns);
        Colours colours(image);
        for (int y = 0; y < height; y += 16) {
            for (int i = 0; i < 16; i++) {
                const int row = image.box.top + std::min(y + i, height - 1), at = i * wide;
                colours.row(row, &band[0][at], &band[1][at], &band[2][at]);
            }
            for (int colour = 0; colour < 3; colour++) {
                turn(band[colour].data());
                for (int x = 0; x < narrow; x += 16) {
                    __m128i square[16];
                    for (int i = 0; i < 16; i++) {
                        const int column = std::min(x + i, columns - 1);
                        square[i] = filter.apply(mirrored ? columns - 1 - column : column, turned.data(), 16);
                    }
                    transpose(square);
                    for (int i = 0; i < 16; i++) keep(&scaled[colour][(y + i) * narrow + x], square[i]);
                }
            }
        }
    }

    void turn(const uint8_t* rows) {
        for (int x = 0; x < wide; x += 16) {
            __m128i square[16];
            for (int i = 0; i < 16; i++) square[i] = bytes(rows + i * wide + x);
            transpose(square);
            for (int i = 0; i < 16; i++) keep(&turned[(x + i) * 16], square[i]);
        }
    }

    void along_columns(int rows, int columns, uint8_t* out) {
        const Filter filter(height, rows);
        for (int y = 0; y < rows; y++, out += 3 * columns) {
            for (int x = 0; x < narrow; x += 16) {
                __m128i found[3];
                for (int colour = 0; colour < 3; colour++) found[colour] = filter.apply(y, &scaled[colour][x], narrow);
                if (x + 16 <= columns) {
                    interleave(found[0], found[1], found[2], out + 3 * x);
                    continue;
                }
                uint8_t rest[48];
                interleave(found[0], found[1], found[2], rest);
                std::memcpy(out + 3 * x, rest, 3 * (columns - x));
            }
        }
    }

    Baseline image;
    int width, height, wide, narrow;
    std::vector<uint8_t> band[3], turned, scaled[3];
};

}  // namespace

extern "C" int crop(const uint8_t* data, int64_t size, int top, int left, int height, int width, int rows, int columns,
                    int mirrored, uint8_t* out) {
    static thread_local Crops crops;
    try {
        crops.crop(data, size, {top, left, top + height, left + width}, rows, columns, mirrored, out);
    } catch (const std::exception&) {  // refused, or no memory
        return 1;
    }
    return 0;
}
