#ifndef EPLB_POLICIES_WINNER_TREE_H_
#define EPLB_POLICIES_WINNER_TREE_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace eplb {

// A tournament over a fixed set of players, each with a key: the winner is the
// player with the smallest key, and among equal keys the lowest-numbered one.
//
//   WinnerTree<uint64_t> tree;
//   tree.Reset(3);
//   tree.SetKey(0, 7); tree.SetKey(1, 4); tree.SetKey(2, 4);
//   tree.PlayAll();                       // tree.winner() == 1
//   tree.Replay(1, 9);                    // tree.winner() == 2
//
// A replay costs one match per level and has no branch that depends on the
// keys: which of two loads is smaller is a coin toss that a processor cannot
// predict, which is what makes a binary heap slow here.
//
// `Key` is an unsigned integer type. Thread-compatible.
template <typename Key>
class WinnerTree {
 public:
  // The key of a player that is out: it loses to every other key. One below
  // the largest value, because a match adds one to a key (see Replay()).
  static constexpr Key kOut = std::numeric_limits<Key>::max() - 1;

  // Takes the memory for tournaments of up to `num_players`.
  void Reserve(size_t num_players) {
    nodes_.reserve(2 * std::bit_ceil(num_players));
  }

  // Starts a tournament of `num_players`, all out.
  void Reset(size_t num_players) {
    first_leaf_ = std::bit_ceil(num_players);
    nodes_.resize(2 * first_leaf_);
    for (size_t player = 0; player < first_leaf_; ++player) {
      nodes_[first_leaf_ + player] = {kOut, static_cast<uint32_t>(player)};
    }
  }

  // Sets a key before PlayAll().
  void SetKey(size_t player, Key key) {
    nodes_[first_leaf_ + player].key = key;
  }

  // Plays every match; winner() holds from here on.
  void PlayAll() {
    for (size_t node = first_leaf_ - 1; node > 0; --node) {
      nodes_[node] = Match(nodes_[2 * node], nodes_[2 * node + 1],
                           /*first_is_left=*/1);
    }
  }

  uint32_t winner() const { return nodes_[1].player; }
  Key winning_key() const { return nodes_[1].key; }

  // Gives `player` a new key and plays its matches again.
  void Replay(size_t player, Key key) {
    size_t node = first_leaf_ + player;
    Node current = {key, static_cast<uint32_t>(player)};
    nodes_[node] = current;
    while (node > 1) {
      current = Match(current, nodes_[node ^ 1],
                      /*first_is_left=*/static_cast<int>(~node & 1));
      node >>= 1;
      nodes_[node] = current;
    }
  }

 private:
  struct Node {
    Key key;
    uint32_t player;
  };

  // The left node has the lower-numbered players, so it also wins a draw: for
  // integers a < b + 1 is a <= b. The player is selected by mask, because
  // compilers make a branch of two conditional expressions.
  static Node Match(Node first, Node second, int first_is_left) {
    const bool first_wins =
        first.key < second.key + static_cast<Key>(first_is_left);
    const auto mask = static_cast<uint32_t>(-static_cast<Key>(first_wins));
    return {first_wins ? first.key : second.key,
            second.player ^ ((first.player ^ second.player) & mask)};
  }

  size_t first_leaf_ = 1;
  std::vector<Node> nodes_;  // nodes_[1] is the root, nodes_[0] is unused
};

}  // namespace eplb

#endif  // EPLB_POLICIES_WINNER_TREE_H_
