#include "observer.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "rbd/cluster_directory.h"

namespace berth {
namespace {

constexpr std::chrono::seconds kConnectTimeout{60};

// All reads at once, for the same reason that the image stays open.
StatusOr<std::vector<char>> ReadBlocks(const Image& image, const std::vector<uint64_t>& offsets) {
  std::vector<char> bytes(offsets.size() * kBlockBytes);
  std::vector<rbd_completion_t> reads;
  int error = 0;
  for (size_t i = 0; i < offsets.size() && error == 0; ++i) {
    rbd_completion_t read = nullptr;
    error = rbd_aio_create_completion(nullptr, nullptr, &read);
    if (error != 0) break;
    error =
        rbd_aio_read(image.get(), offsets[i], kBlockBytes, bytes.data() + i * kBlockBytes, read);
    if (error == 0) {
      reads.push_back(read);
    } else {
      rbd_aio_release(read);
    }
  }
  for (const rbd_completion_t read : reads) {
    rbd_aio_wait_for_complete(read);
    if (const ssize_t result = rbd_aio_get_return_value(read); result < 0 && error == 0) {
      error = static_cast<int>(result);
    }
    rbd_aio_release(read);
  }
  if (error != 0) return ErrnoError(error, "read the image");
  return bytes;
}

}  // namespace

StatusOr<Observer> Observer::Connect(const std::string& clusters, const VolumeHandle& volume) {
  BERTH_ASSIGN_OR_RETURN(const ClusterConfig config,
                         ClusterDirectory(clusters).Find(volume.cluster));
  BERTH_ASSIGN_OR_RETURN(
      std::unique_ptr<RadosClient> client,
      RadosClient::Connect(config, RadosClient::Purpose::kData, kConnectTimeout));
  BERTH_ASSIGN_OR_RETURN(IoContext io, client->OpenPool(volume.pool, volume.rados_namespace));
  BERTH_ASSIGN_OR_RETURN(Image image, Image::Open(io, volume.image, Image::Mode::kReadOnly));
  return Observer(std::move(client), std::move(io), std::move(image));
}

StatusOr<Picture> Observer::Observe(const std::vector<uint64_t>& offsets) const {
  BERTH_RETURN_IF_ERROR(client_->WaitForLatestMap());
  BERTH_ASSIGN_OR_RETURN(const std::vector<char> bytes, ReadBlocks(image_, offsets));
  Picture picture;
  for (size_t slot = 0; slot < offsets.size(); ++slot) {
    picture.push_back(DecodeBlock(std::span(bytes).subspan(slot * kBlockBytes, kBlockBytes)));
  }
  return picture;
}

}  // namespace berth
