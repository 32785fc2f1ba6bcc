// Reads `_id` and `_source` of every live document of a Lucene index, in one thread, and says what that cost:
//
//   java ReadStored MODE FOLDER [WARM-UP PASSES]
//
// MODE is `merge` (the codec's own reader in the form that merges use, in order: as fast as Lucene gets) or `document`
// (a Document for each number, as most programs read). One line of JSON on standard output.

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.CodecReader;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.FieldInfo;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.SoftDeletesDirectoryReaderWrapper;
import org.apache.lucene.index.StoredFieldVisitor;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;

public final class ReadStored {
  private static final OperatingSystemMXBean PROCESS =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  // What was read in one pass. The sum is there so that no compiler can leave the reading out.
  private long documents;
  private long bytes;
  private long sum;

  public static void main(String[] args) throws IOException {
    boolean merge = switch (args[0]) {
      case "merge" -> true;
      case "document" -> false;
      default -> throw new IllegalArgumentException("merge or document, not " + args[0]);
    };
    int warmUps = args.length > 2 ? Integer.parseInt(args[2]) : 0;
    try (FSDirectory folder = FSDirectory.open(Path.of(args[1]));
        IndexReader reader = new SoftDeletesDirectoryReaderWrapper(DirectoryReader.open(folder), "__soft_deletes")) {
      for (int pass = 0; pass < warmUps; pass++) {
        new ReadStored().read(reader, merge);
      }
      ReadStored pass = new ReadStored();
      long wall = System.nanoTime();
      long process = PROCESS.getProcessCpuTime();
      long thread = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      pass.read(reader, merge);
      thread = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - thread;
      process = PROCESS.getProcessCpuTime() - process;
      wall = System.nanoTime() - wall;
      System.out.printf(
          "{\"documents\":%d,\"bytes\":%d,\"sum\":%d,\"thread_cpu_s\":%.6f,\"process_cpu_s\":%.6f,\"wall_s\":%.6f,"
              + "\"segments\":%d}%n",
          pass.documents, pass.bytes, pass.sum, thread / 1e9, process / 1e9, wall / 1e9, reader.leaves().size());
    }
  }

  private void read(IndexReader reader, boolean merge) throws IOException {
    for (LeafReaderContext leaf : reader.leaves()) {
      Bits live = leaf.reader().getLiveDocs();
      int count = leaf.reader().maxDoc();
      if (merge) {
        Access.Merge stored = new Access.Merge((CodecReader) leaf.reader());
        Visitor visitor = new Visitor();
        for (int document = 0; document < count; document++) {
          if (live == null || live.get(document)) {
            stored.visit(document, visitor);
            documents++;
          }
        }
      } else {
        for (int document = 0; document < count; document++) {
          if (live == null || live.get(document)) {
            Document found = Access.document(leaf.reader(), document);
            take(found.getBinaryValue("_id"));
            take(found.getBinaryValue("_source"));
            documents++;
          }
        }
      }
    }
  }

  private void take(BytesRef value) {
    take(value.bytes, value.offset, value.length);
  }

  private void take(byte[] value, int offset, int length) {
    bytes += length;
    if (length > 0) {
      sum += value[offset] + 31L * value[offset + length / 2] + 961L * value[offset + length - 1];
    }
  }

  private final class Visitor extends StoredFieldVisitor {
    @Override
    public Status needsField(FieldInfo field) {
      return field.name.equals("_source") || field.name.equals("_id") ? Status.YES : Status.NO;
    }

    @Override
    public void binaryField(FieldInfo field, byte[] value) {
      take(value, 0, value.length);
    }
  }
}
