#include "bc_controllers/interpolation.hpp"

#include <algorithm>
#include <cmath>

#include "rotation.hpp"

namespace bc {

namespace {

// A rate is at most this many times the smaller of the slopes beside it: the curve stays between its rows (Fritsch and
// Carlson, "Monotone Piecewise Cubic Interpolation", SIAM J. Numer. Anal. 17, 1980).
constexpr double kSteepest = 2.0;

const double* joined(const Chunk& chunk, std::uint32_t row) {
  for (std::size_t i = 0; i < chunk.joined.row.size(); ++i) {
    if (chunk.joined.row[i] == row) return chunk.joined.rate[i].data();
  }
  return nullptr;
}

double secant(const Chunk& chunk, std::uint32_t row, std::size_t column) {
  return (chunk.at(row + 1, column) - chunk.at(row, column)) / chunk.seconds();
}

// The rate of one column at a row: the mean of the slopes on both sides, nil at an extremum.
double rate_at(const Chunk& chunk, std::uint32_t row, std::size_t column) {
  if (const double* taken = joined(chunk, row)) return taken[column];
  if (row == 0) return secant(chunk, 0, column);
  if (row + 1 == chunk.horizon) return secant(chunk, row - 1, column);
  const double before = secant(chunk, row - 1, column);
  const double after = secant(chunk, row, column);
  if (before * after <= 0.0) return 0.0;
  const double most = kSteepest * std::min(std::abs(before), std::abs(after));
  return std::clamp(0.5 * (before + after), -most, most);
}

Quat rotation_at(const Chunk& chunk, std::uint32_t row, std::size_t column) {
  return Quat(Eigen::Map<const Eigen::Vector4d>(&chunk.rows[row * chunk.width + column + 3]));
}

Vec3 rotation_secant(const Chunk& chunk, std::uint32_t row, std::size_t column) {
  return rotation_log(rotation_at(chunk, row, column).conjugate() * rotation_at(chunk, row + 1, column)) /
         chunk.seconds();
}

// The angular velocity at a row, in the axes of the row's own rotation.
Vec3 angular_at(const Chunk& chunk, std::uint32_t row, std::size_t column) {
  if (const double* taken = joined(chunk, row)) return Vec3(taken[column + 3], taken[column + 4], taken[column + 5]);
  if (row == 0) return rotation_secant(chunk, 0, column);
  if (row + 1 == chunk.horizon) return rotation_secant(chunk, row - 1, column);
  const Vec3 before = rotation_secant(chunk, row - 1, column);
  const Vec3 after = rotation_secant(chunk, row, column);
  const Vec3 mean = 0.5 * (before + after);
  const double most = kSteepest * std::min(before.norm(), after.norm());
  const double size = mean.norm();
  return size > most ? Vec3(mean * (most / size)) : mean;
}

bool same_row(const Chunk& next, std::uint32_t row, const Chunk& old, std::uint32_t old_row, const Columns& columns) {
  const auto same = [&](std::size_t column) { return next.at(row, column) == old.at(old_row, column); };
  if (columns.pose < 0) return std::all_of(columns.joints.begin(), columns.joints.end(), same);
  const auto pose = static_cast<std::size_t>(columns.pose);
  const auto opposite = [&](std::size_t column) { return next.at(row, column) == -old.at(old_row, column); };
  bool equal = same(pose) && same(pose + 1) && same(pose + 2), one = true, other = true;
  for (std::size_t i = 3; i < kPoseColumns; ++i) one &= same(pose + i), other &= opposite(pose + i);
  return equal && (one || other);
}

}  // namespace

Place place(const Chunk& chunk, std::int64_t time_ns) {
  const std::int64_t elapsed = time_ns - chunk.stamp_ns;
  const std::int64_t last = static_cast<std::int64_t>(chunk.horizon) - 2;  // last row that has a next one
  if (elapsed <= 0) return {0, 0.0};
  const std::int64_t low = elapsed / chunk.dt_ns;
  if (low > last) return {static_cast<std::uint32_t>(last), 1.0};
  return {static_cast<std::uint32_t>(low),
          static_cast<double>(elapsed % chunk.dt_ns) / static_cast<double>(chunk.dt_ns)};
}

Point sample(const Chunk& chunk, const Place& at, std::size_t column) {
  const double begin = chunk.at(at.low, column), end = chunk.at(at.low + 1, column);
  const double h = chunk.seconds(), u = at.fraction;
  const double first = h * rate_at(chunk, at.low, column), last = h * rate_at(chunk, at.low + 1, column);
  const double square = 3.0 * (end - begin) - 2.0 * first - last;
  const double cube = first + last - 2.0 * (end - begin);
  Point point;
  point.value = u == 1.0 ? end : begin + u * (first + u * (square + u * cube));  // exactly: rows must repeat to the bit
  point.rate = (first + u * (2.0 * square + 3.0 * u * cube)) / h;
  point.acceleration = (2.0 * square + 6.0 * u * cube) / (h * h);
  return point;
}

double sample_linear(const Chunk& chunk, const Place& at, std::size_t column) {
  const double begin = chunk.at(at.low, column), end = chunk.at(at.low + 1, column);
  return at.fraction == 1.0 ? end : begin + at.fraction * (end - begin);
}

PosePoint sample_pose(const Chunk& chunk, const Place& at, std::size_t column) {
  PosePoint point;
  for (std::size_t i = 0; i < 3; ++i) {
    const Point axis = sample(chunk, at, column + i);
    point.pose.position[i] = axis.value;
    point.twist.linear[i] = axis.rate;
  }
  const double h = chunk.seconds(), u = at.fraction, left = 1.0 - u;
  const Quat begin = rotation_at(chunk, at.low, column), end = rotation_at(chunk, at.low + 1, column);
  const Vec3 first = angular_at(chunk, at.low, column) * (h / 3.0);
  const Vec3 last = angular_at(chunk, at.low + 1, column) * (h / 3.0);
  const Vec3 middle =
      rotation_log(rotation_exp(first).conjugate() * begin.conjugate() * end * rotation_exp(last).conjugate());
  // Eq. 10 with the cumulative Bernstein polynomials of degree 3, and its derivative in the axes of the result.
  const Quat turn_1 = rotation_exp(first * (1.0 - left * left * left));
  const Quat turn_2 = rotation_exp(middle * (u * u * (3.0 - 2.0 * u)));
  const Quat turn_3 = rotation_exp(last * (u * u * u));
  Quat rotation = begin * turn_1 * turn_2 * turn_3;
  if (u == 0.0) rotation = begin;
  if (u == 1.0) rotation = end;
  Vec3 rate = first * (3.0 * left * left);
  rate = turn_2.conjugate() * rate + middle * (6.0 * u * left);
  rate = turn_3.conjugate() * rate + last * (3.0 * u * u);
  as_rotation(point.pose) = rotation.normalized();
  as_vector(point.twist.angular) = rotation * (rate / h);
  return point;
}

void join(Chunk& next, const Chunk& old, const Place& at, const Columns& columns) {
  for (std::uint32_t i = 0; i < 2; ++i) {
    next.joined.row[i] = Join::kNone;
    const std::uint32_t row = at.low + i;
    const std::int64_t elapsed = next.stamp_ns + static_cast<std::int64_t>(row) * next.dt_ns - old.stamp_ns;
    if (elapsed < 0 || elapsed % old.dt_ns != 0 || elapsed / old.dt_ns >= old.horizon) continue;
    const auto old_row = static_cast<std::uint32_t>(elapsed / old.dt_ns);
    if (!same_row(next, row, old, old_row, columns)) continue;
    RowVector& rate = next.joined.rate[i];
    for (const std::size_t column : columns.joints) rate[column] = rate_at(old, old_row, column);
    if (columns.pose >= 0) {
      const auto pose = static_cast<std::size_t>(columns.pose);
      for (std::size_t axis = 0; axis < 3; ++axis) rate[pose + axis] = rate_at(old, old_row, pose + axis);
      const Vec3 angular = angular_at(old, old_row, pose);
      for (std::size_t axis = 0; axis < 3; ++axis) rate[pose + 3 + axis] = angular[static_cast<int>(axis)];
    }
    next.joined.row[i] = row;
  }
}

}  // namespace bc
